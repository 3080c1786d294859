'use strict';
// The server makes the page. This fetches the part that changes each second and puts it in place of
// the old one, node by node, so that what has the focus or is selected stays.
(() => {
	const state = document.getElementById('state');
	const form = document.getElementById('filter');
	const fields = ['search', 'workload', 'kind'];
	let timer, request;

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
			let match = child.id ? known.get(child.id) : at;
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
		merge(document.getElementById('live'), next);
		if (focused !== document.activeElement && focused.isConnected)
			focused.focus({preventScroll: true});
	};

	const look = async () => {
		const url = new URL(location.href);
		clearTimeout(timer);
		request?.abort();
		const mine = request = new AbortController();
		url.searchParams.set('part', '1');
		url.hash = '';
		try {
			const answer = await fetch(url, {headers: {Accept: 'text/html'}, signal: mine.signal});
			if (!answer.ok)
				throw new Error(answer.status + ' ' + answer.statusText);
			show(await answer.text());
			state.textContent = '';
		} catch (error) {
			if (mine.signal.aborted)
				return;
			state.textContent = 'No answer from the exporter; asking again.';
		}
		if (!document.hidden)
			timer = setTimeout(look, 1000);
	};

	const go = (url) => {
		history.pushState(null, '', url);
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
	});
	form.addEventListener('submit', (event) => {
		event.preventDefault();
		filter();
	});
	form.addEventListener('input', filter);
	addEventListener('popstate', () => {
		const query = new URL(location.href).searchParams;
		for (const name of fields)
			form.elements[name].value = query.get(name) ?? '';
		look();
	});
	document.addEventListener('visibilitychange', () => document.hidden ? clearTimeout(timer) : look());
	timer = setTimeout(look, 1000);
})();
