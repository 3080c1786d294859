'use strict';
// The server makes the page. This fetches the part that changes each second and puts it in place of
// the old one, node by node, so that what has the focus or is selected stays.
(() => {
	const EVERY_MS = 1000, TYPING_MS = 150, PATIENCE_MS = 10000;
	const state = document.getElementById('state');
	const live = document.getElementById('live');
	const form = document.getElementById('filter');
	const fields = ['search', 'workload', 'kind'];
	let timer, request, policy;

	const copyAttributes = (old, next) => {
		for (const {name} of [...old.attributes])
			if (!next.hasAttribute(name))
				old.removeAttribute(name);
		for (const {name, value} of next.attributes)
			if (old.getAttribute(name) !== value)
				old.setAttribute(name, value);
	};

	// Children with an id are found again wherever they are; others in their order.
	const merge = (old, next) => {
		const known = new Map();
		for (const child of old.children)
			if (child.id)
				known.set(child.id, child);
		copyAttributes(old, next);
		let at = old.firstChild;
		for (const child of next.childNodes) {
			const match = child.id ? known.get(child.id) : at;
			known.delete(child.id);
			if (!match || match.nodeName !== child.nodeName || (match.id || '') !== (child.id || '')) {
				old.insertBefore(document.importNode(child, true), at);
				continue;
			}
			if (match === at)
				at = at.nextSibling;
			else
				old.insertBefore(match, at);
			if (child.nodeType === Node.ELEMENT_NODE)
				merge(match, child);
			else if (match.textContent !== child.textContent)
				match.textContent = child.textContent;
		}
		while (at) {
			const after = at.nextSibling;
			at.remove();
			at = after;
		}
	};

	const show = (text) => {
		const next = new DOMParser().parseFromString(text, 'text/html').getElementById('live');
		const focused = document.activeElement;
		if (!next)
			throw new Error('no page');
		merge(live, next);
		// Kinds come and go; what was chosen stays.
		form.elements.kind.value = new URL(location.href).searchParams.get('kind') ?? '';
		if (focused !== document.activeElement && focused.isConnected)
			focused.focus({preventScroll: true});
	};

	const ask = async (signal) => {
		const url = new URL(location.href);
		url.searchParams.set('part', '1');
		url.hash = '';
		const answer = await fetch(url, {headers: {Accept: 'text/html'}, signal});
		if (!answer.ok)
			throw new Error(answer.status + ' ' + answer.statusText);
		// It has the hash of this script: another exporter has another page.
		const its = answer.headers.get('Content-Security-Policy');
		if (its !== (policy ??= its))
			location.reload();
		show(await answer.text());
	};

	const look = async () => {
		clearTimeout(timer);
		request?.abort();
		const mine = request = new AbortController();
		// An answer may never come: after a sleep, or by a network that has forgotten the connection.
		const late = setTimeout(() => {
			state.textContent = 'The exporter takes long to answer; what is below is old.';
			look();
		}, PATIENCE_MS);
		try {
			await ask(mine.signal);
			state.textContent = '';
		} catch (error) {
			if (mine.signal.aborted)
				return;
			state.textContent = 'No answer from the exporter; what is below is old. Asking again.';
		} finally {
			clearTimeout(late);
		}
		if (!document.hidden)
			timer = setTimeout(look, EVERY_MS);
	};

	const fillForm = () => {
		const query = new URL(location.href).searchParams;
		for (const name of fields)
			form.elements[name].value = query.get(name) ?? '';
	};

	const go = (url) => {
		history.pushState(null, '', url);
		fillForm();
		look();
	};

	const filter = () => {
		const url = new URL(location.href);
		for (const name of fields) {
			const value = form.elements[name].value;
			if (value)
				url.searchParams.set(name, value);
			else
				url.searchParams.delete(name);
		}
		url.searchParams.delete('offset');
		history.replaceState(null, '', url);
		look();
	};

	document.addEventListener('click', (event) => {
		const link = event.target.closest?.('main a[href]');
		if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
			return;
		event.preventDefault();
		go(link.href);
		if (link.rel)
			scrollTo(0, 0);
	});
	form.addEventListener('submit', (event) => {
		event.preventDefault();
		filter();
	});
	form.addEventListener('input', () => {
		request?.abort();
		clearTimeout(timer);
		timer = setTimeout(filter, TYPING_MS);
	});
	addEventListener('popstate', () => {
		fillForm();
		look();
	});
	document.addEventListener('visibilitychange', () => document.hidden ? clearTimeout(timer) : look());
	timer = setTimeout(look, EVERY_MS);
})();
