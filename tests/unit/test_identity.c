/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From names of control groups, CNI's arguments and Docker's files to labels. The names are those
 * that the runtimes give; CRI-O and Incus are not in Debian 12, so here alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/identity/cgroups.h"
#include "../../src/identity/describe.h"
#include "../../src/identity/docker_config.h"
#include "../../src/identity/podman.h"
#include "../../src/identity/pods.h"
#include "../../src/identity/workload.h"

#define ID   "3f2a81c0123456789abcdef0123456789abcdef0123456789abcdef012345678"
#define UID  "1b2c3d4e-0a1b-4c2d-8e3f-001122334455"
#define UID_ "1b2c3d4e_0a1b_4c2d_8e3f_001122334455"

/* ---- control groups ---- */

/* A path, of which the first part is what we are in ourselves. */
static struct pe_task_record record_of(const char *path)
{
	struct pe_task_record record = { .kind = PE_TASK_RECORD };
	char copy[512], *rest = copy, *part;

	snprintf(copy, sizeof(copy), "%s", path);
	for (unsigned int i = 0; i < PE_TASK_CGROUPS && (part = strsep(&rest, "/")); i++)
		snprintf((char *)record.cgroup[i], PE_TASK_CGROUP_MAX, "%s", part);
	return record;
}

static const struct {
	const char *path, *runtime, *id, *name, *pod_uid;
} paths[] = {
	/* Docker: systemd, cgroupfs, in a folder that we share */
	{ "system.slice/docker-" ID ".scope", "docker", ID, "", "" },
	{ "/docker/" ID, "docker", ID, "", "" },
	{ "docker/" ID, "docker", ID, "", "" },
	/* Podman: root, with crun's own group, cgroupfs, a pod */
	{ "machine.slice/libpod-" ID ".scope", "podman", ID, "", "" },
	{ "machine.slice/libpod-" ID ".scope/container", "podman", ID, "", "" },
	{ "/libpod_parent/libpod-" ID, "podman", ID, "", "" },
	{ "/machine.slice/machine-libpod_pod_" ID ".slice/libpod-" ID ".scope", "podman", ID, "",
	  "" },
	{ "/libpod_parent/ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff/"
	  "libpod-" ID,
	  "podman", ID, "", "" },
	/* Kubernetes: containerd and CRI-O, each with systemd and without */
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	  ".slice/cri-containerd-" ID ".scope",
	  "containerd", ID, "", UID },
	{ "kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope", "containerd", ID,
	  "", UID },
	{ "/kubepods/besteffort/pod" UID "/" ID, "containerd", ID, "", UID },
	{ "besteffort/pod" UID "/" ID, "containerd", ID, "", UID },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/crio-" ID
	  ".scope",
	  "cri-o", ID, "", UID },
	{ "/kubepods/besteffort/pod" UID "/crio-" ID, "cri-o", ID, "", UID },
	/* of a node that is a container itself, as kind has them */
	{ "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" UID_
	  ".slice/cri-containerd-" ID ".scope",
	  "containerd", ID, "", UID },
	/* of a file of the kubelet: a hash, no UID */
	{ "/kubepods/burstable/pod0123456789abcdef0123456789abcdef/" ID, "containerd", ID, "",
	  "0123456789abcdef0123456789abcdef" },
	{ "/mine/" ID, "", ID, "", "" },
	{ "/k8s.io/" ID, "containerd", ID, "", "" },
	{ "/system.slice/nerdctl-" ID ".scope", "containerd", ID, "", "" },
	/* LXC, Incus with a project of its own, LXC 3 */
	{ "/lxc.payload.web-1", "lxc", "", "web-1", "" },
	{ "/lxc.payload.user-1000_web/init.scope", "lxc", "", "user-1000_web", "" },
	{ "/lxc/web", "lxc", "", "web", "" },
	/* nspawn: by hand, as a service, without systemd */
	{ "/machine.slice/machine-deb\\x2d12.scope/payload", "systemd-nspawn", "", "deb-12", "" },
	{ "machine.slice/machine-a\\x5cb.scope", "systemd-nspawn", "", "a\\b", "" },
	{ "/machine.slice/systemd-nspawn@web\\x2d1.service/payload/init.scope", "systemd-nspawn",
	  "", "web-1", "" },
	{ "/system.slice/test.service/payload", "systemd-nspawn", "", "", "" },
	/* libvirt's */
	{ "/machine.slice/machine-lxc\\x2d1234\\x2dweb\\x2d1.scope/x", "lxc", "", "web-1", "" },
	{ "/machine.slice/machine-lxc\\x2dweb.scope", "systemd-nspawn", "", "lxc-web", "" },
	/* What is made in a container does not name it. */
	{ "/system.slice/docker-" ID ".scope/docker/"
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	  "docker", ID, "", "" },
	{ "/lxc.payload.web/docker-" ID ".scope", "lxc", "", "web", "" },
	/* We are in it ourselves: what is further in counts. */
	{ "docker-ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff.scope/"
	  "docker/" ID,
	  "docker", ID, "", "" },
};

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct pe_task_record record = record_of(paths[i].path);
		struct pe_cgroup_match match;

		if (!pe_cgroups_match(&record, &match))
			fail_msg("%s does not match", paths[i].path);
		if (strcmp(pe_runtime_name(match.runtime), paths[i].runtime) != 0 ||
		    strcmp(match.id, paths[i].id) != 0 || strcmp(match.name, paths[i].name) != 0 ||
		    strcmp(match.pod_uid, paths[i].pod_uid) != 0)
			fail_msg("%s: %s \"%s\" \"%s\" \"%s\"", paths[i].path,
				 pe_runtime_name(match.runtime), match.id, match.name,
				 match.pod_uid);
		assert_int_equal(match.is_pod, *paths[i].pod_uid != '\0');
	}
}

static void test_no_container(void **state)
{
	static const char *const others[] = {
		"",
		"/",
		"/system.slice/docker.service",
		"/user.slice/user-0.slice/session-3.scope",
		"/init.scope",
		/* in which only we are */
		"docker-" ID ".scope",
		/* conmon's own */
		"/machine.slice/libpod-conmon-" ID ".scope",
		"/system.slice/crio-conmon-" ID ".scope",
		"/system.slice/docker-" ID "0.scope",
		"/system.slice/docker-.scope",
		"/system.slice/"
		"docker-3F2A81C0123456789abcdef0123456789abcdef0123456789abcdef012345678"
		".scope",
		"/lxc.payload.",
		"/machine.slice/machine-.scope",
		"/kubepods.slice/kubepods-pod" UID_ ".slice",
		"/lxc.monitor.web",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct pe_task_record record = record_of(others[i]);
		struct pe_cgroup_match match;

		if (pe_cgroups_match(&record, &match))
			fail_msg("%s matches: %s", others[i], pe_runtime_name(match.runtime));
	}
}

/* ---- workloads ---- */

static const struct {
	const char *pod, *workload;
} pods[] = {
	{ "cart-7d4b9c6f5b-x2k9q", "cart" }, /* Deployment */
	{ "shop-cart-59d8c5b8cf-2vwxz", "shop-cart" },
	{ "backup-28412345-bq7mz", "backup" }, /* CronJob */
	{ "node-agent-kd8rt", "node-agent" },  /* DaemonSet, Job */
	{ "postgres-0", "postgres" },	       /* StatefulSet */
	{ "postgres-replica-12", "postgres-replica" },
	{ "web-24562", "web" },
	{ "web", "web" },
	{ "my-cache", "my-cache" }, /* words are not generated */
	{ "api-server-hello", "api-server-hello" },
	{ "x2k9q", "x2k9q" },
	{ "-x2k9q", "-x2k9q" },
	{ "kube-proxy-bcdfg", "kube-proxy" }, /* "proxy" is no hash */
	{ "coredns-565d847f94-9zqk2", "coredns" },
	{ "", "" },
	{ "-", "-" },
};

static const struct {
	const char *image, *workload;
} images[] = {
	{ "nginx", "nginx" },
	{ "nginx:1.25", "nginx" },
	{ "docker.io/library/nginx:latest", "docker.io/library/nginx" },
	{ "registry:5000/team/app:v1", "registry:5000/team/app" },
	{ "registry:5000/team/app", "registry:5000/team/app" },
	{ "app@sha256:0123", "app" },
	{ "app:v1@sha256:0123", "app" },
	{ "sha256:0123456789ab", "" },
	{ "", "" },
	{ ":", "" },
};

static void test_names(void **state)
{
	char workload[PE_IDENTITY_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(pods) / sizeof(*pods); i++) {
		pe_workload_of_pod(pods[i].pod, workload);
		assert_string_equal(workload, pods[i].workload);
	}
	for (size_t i = 0; i < sizeof(images) / sizeof(*images); i++) {
		pe_workload_of_image(images[i].image, workload);
		assert_string_equal(workload, images[i].workload);
	}
}

static const char *apply(const char *const *texts, size_t count, const char *workload)
{
	static char result[PE_IDENTITY_NAME_MAX];
	struct pe_workload_rule rules[4] = { 0 };
	char why[256];

	for (size_t i = 0; i < count; i++)
		assert_int_equal(pe_workload_rule_parse(texts[i], &rules[i], why, sizeof(why)), 0);
	snprintf(result, sizeof(result), "%s", workload);
	pe_workload_apply(rules, count, result);
	for (size_t i = 0; i < count; i++)
		pe_workload_rule_fini(&rules[i]);
	return result;
}

static void test_rules(void **state)
{
	const char *const rules[] = { "^(.*)-canary$=\\1", "shop/(.)(.*)=\\2\\1\\\\1", "x=" };
	const char *const grow[] = { "a=bbbbbbbbbb" };
	struct pe_workload_rule rule;
	char why[256], large[PE_IDENTITY_NAME_MAX];

	(void)state;
	assert_string_equal(apply(rules, 3, "cart-canary"), "cart");
	assert_string_equal(apply(rules, 3, "my shop/cart"), "my artc\\1");
	assert_string_equal(apply(rules, 3, "axb"), "ab");
	assert_string_equal(apply(rules, 3, "none"), "none");
	memset(large, 'a', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	assert_int_equal(strlen(apply(grow, 1, large)), PE_IDENTITY_NAME_MAX - 1);

	assert_int_equal(pe_workload_rule_parse("abc", &rule, why, sizeof(why)), -EINVAL);
	assert_int_equal(pe_workload_rule_parse("=x", &rule, why, sizeof(why)), -EINVAL);
	assert_int_equal(pe_workload_rule_parse("(=x", &rule, why, sizeof(why)), -EINVAL);
	assert_int_equal(pe_workload_rule_parse("a=\\1", &rule, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "has no group \\1");
	assert_int_equal(pe_workload_rule_parse("a=\\", &rule, why, sizeof(why)), -EINVAL);
	assert_int_equal(pe_workload_rule_parse("a=b=c", &rule, why, sizeof(why)), 0);
	pe_workload_rule_fini(&rule);
	pe_workload_rule_fini(&rule);
}

/* ---- identities ---- */

static void test_identity(void **state)
{
	char large[PE_IDENTITY_NAME_MAX * 2];
	struct pe_identity names = { .container = large, .runtime = "docker" };
	struct pe_identity *a, *b;

	(void)state;
	/* 254 bytes, then one character of three: it is left out, not cut. */
	memset(large, 'x', sizeof(large));
	memcpy(large + 254, "\xe2\x82\xac", 3);
	large[300] = '\0';
	assert_int_equal(pe_identity_new(&names, &a), 0);
	assert_int_equal(strlen(a->container), 254);
	assert_string_equal(a->pod, "");
	assert_string_equal(a->runtime, "docker");
	assert_int_equal(pe_identity_new(a, &b), 0);
	assert_true(pe_identity_equal(a, b));
	b = pe_identity_unref(b);
	names.namespace = "other";
	assert_int_equal(pe_identity_new(&names, &b), 0);
	assert_false(pe_identity_equal(a, b));
	assert_false(pe_identity_equal(a, NULL));
	assert_true(pe_identity_equal(NULL, NULL));
	pe_identity_ref(a);
	pe_identity_unref(a);
	assert_int_equal(strlen(a->container), 254);
	pe_identity_unref(a);
	pe_identity_unref(b);
}

static struct pe_names *names_with(unsigned int kind, const char *id, const char *text)
{
	struct pe_task_names record = { .kind = kind };
	struct pe_names *names;

	assert_int_equal(pe_names_new(&names), 0);
	snprintf((char *)record.id, sizeof(record.id), "%s", id);
	snprintf((char *)record.names, sizeof(record.names), "%s", text);
	pe_names_put(names, &record);
	return names;
}

static struct pe_identity *describe(const char *path, const char *host,
				    const struct pe_names *names)
{
	struct pe_sources_of_names sources = { .names = names, .podman = -1 };
	struct pe_task_record record = record_of(path);
	struct pe_identity *identity;
	struct pe_cgroup_match match;

	if (host)
		record.flags = PE_TASK_OWN_UTS;
	snprintf((char *)record.uts, sizeof(record.uts), "%s", host ? host : "the-host");
	assert_true(pe_cgroups_match(&record, &match));
	assert_int_equal(pe_describe(&sources, &record, &match, &identity), 0);
	return identity;
}

static void expect(struct pe_identity *identity, const struct pe_identity *expected)
{
	struct pe_identity *copy;

	assert_int_equal(pe_identity_new(expected, &copy), 0);
	assert_string_equal(identity->container, copy->container);
	assert_string_equal(identity->pod, copy->pod);
	assert_string_equal(identity->namespace, copy->namespace);
	assert_string_equal(identity->workload, copy->workload);
	assert_string_equal(identity->image, copy->image);
	assert_string_equal(identity->runtime, copy->runtime);
	assert_string_equal(identity->container_id, copy->container_id);
	assert_string_equal(identity->pod_uid, copy->pod_uid);
	pe_identity_unref(copy);
	pe_identity_unref(identity);
}

static void test_pods(void **state)
{
	const char *const path = "/kubepods/pod" UID "/" ID;
	struct pe_names *none = names_with(PE_TASK_NAMES_CNI, "other", "K8S_POD_NAME=wrong");
	struct pe_names *cni = names_with(PE_TASK_NAMES_CNI, ID,
					  "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;"
					  "K8S_POD_NAME=cart-7d4b9c6f5b-x2k9q;XK8S_POD_NAME=no");
	struct pe_names *crio =
		names_with(PE_TASK_NAMES_CONMON, ID, "k8s_POD_cart-0_shop_" UID "_0");

	(void)state;
	/* The host name is the pod's, cut. */
	expect(describe(path, "cart-0", none),
	       &(struct pe_identity){ .pod = "cart-0",
				      .workload = "cart",
				      .runtime = "containerd",
				      .container_id = "3f2a81c01234",
				      .pod_uid = UID });
	expect(describe(path, NULL, none), &(struct pe_identity){ .runtime = "containerd",
								  .container_id = "3f2a81c01234",
								  .pod_uid = UID });
	expect(describe(path, "cart", cni), &(struct pe_identity){ .pod = "cart-7d4b9c6f5b-x2k9q",
								   .namespace = "shop",
								   .workload = "cart",
								   .runtime = "containerd",
								   .container_id = "3f2a81c01234",
								   .pod_uid = UID });
	expect(describe("/kubepods/pod" UID "/crio-" ID, "x", crio),
	       &(struct pe_identity){ .pod = "cart-0",
				      .namespace = "shop",
				      .workload = "cart",
				      .runtime = "cri-o",
				      .container_id = "3f2a81c01234",
				      .pod_uid = UID });
	pe_names_free(none);
	pe_names_free(cni);
	pe_names_free(crio);
}

static void test_others(void **state)
{
	struct pe_names *conmon = names_with(PE_TASK_NAMES_CONMON, ID, "a \"name\"\n\xff");

	(void)state;
	expect(describe("/machine.slice/libpod-" ID ".scope", "3f2a81c01234", conmon),
	       &(struct pe_identity){ .container = "a \"name\"\n\xff",
				      .runtime = "podman",
				      .container_id = "3f2a81c01234" });
	expect(describe("/libpod_parent/" ID "/libpod-" ID, "my-pod", conmon),
	       &(struct pe_identity){ .pod = "my-pod",
				      .workload = "my-pod",
				      .runtime = "podman",
				      .container_id = "3f2a81c01234" });
	expect(describe("/machine.slice/machine-libpod_pod_0.slice/libpod-" ID ".scope", "my-pod",
			conmon),
	       &(struct pe_identity){ .pod = "my-pod",
				      .workload = "my-pod",
				      .runtime = "podman",
				      .container_id = "3f2a81c01234" });
	expect(describe("/system.slice/docker-" ID ".scope", "given", conmon),
	       &(struct pe_identity){ .runtime = "docker", .container_id = "3f2a81c01234" });
	expect(describe("/lxc.payload.web", "other", conmon),
	       &(struct pe_identity){ .container = "web", .workload = "web", .runtime = "lxc" });
	expect(describe("/a.service/payload", "deb", conmon),
	       &(struct pe_identity){
		       .container = "deb", .workload = "deb", .runtime = "systemd-nspawn" });
	pe_names_free(conmon);
}

/* Who knows an id first is its runtime. */
static void test_first_name(void **state)
{
	struct pe_names *names = names_with(PE_TASK_NAMES_CNI, ID, "K8S_POD_NAME=first");
	struct pe_task_names record = { .kind = PE_TASK_NAMES_CNI, .id = ID };
	struct pe_name name;

	(void)state;
	strcpy((char *)record.names, "K8S_POD_NAME=second");
	pe_names_put(names, &record);
	assert_true(pe_names_find(names, PE_TASK_NAMES_CNI, ID, &name));
	assert_string_equal(name.pod, "first");
	assert_false(pe_names_find(names, PE_TASK_NAMES_CONMON, ID, &name));
	/* A bounded number. */
	for (int i = 0; i < 512; i++) {
		snprintf((char *)record.id, sizeof(record.id), "%d", i);
		pe_names_put(names, &record);
	}
	assert_false(pe_names_find(names, PE_TASK_NAMES_CNI, ID, &name));
	assert_true(pe_names_find(names, PE_TASK_NAMES_CNI, "0", &name));
	pe_names_free(names);
}

/* ---- Docker's files ---- */

static const struct {
	const char *text;
	struct pe_identity expected;
} files[] = {
	{ "{\"ID\":\"" ID "\",\"Name\":\"/web_1\",\"Config\":{\"Image\":\"nginx:1.25\",\"Labels\":"
	  "{\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"web\"}}}",
	  { .container = "web_1", .workload = "shop/web", .image = "nginx:1.25" } },
	{ "{\"ID\":\"" ID "\",\"Name\":\"/lone\",\"Config\":{\"Image\":\"r:5000/a/b:1\","
	  "\"Labels\":{}}}",
	  { .container = "lone", .workload = "r:5000/a/b", .image = "r:5000/a/b:1" } },
	{ "{\"ID\":\"" ID "\",\"Name\":\"/k8s_POD\",\"Config\":{\"Image\":\"pause\",\"Labels\":"
	  "{\"io.kubernetes.pod.name\":\"cart-0\",\"io.kubernetes.pod.namespace\":\"shop\","
	  "\"io.kubernetes.pod.uid\":\"" UID "\"}}}",
	  { .pod = "cart-0", .namespace = "shop", .workload = "cart", .pod_uid = UID } },
	/* What is missing or of another type */
	{ "{\"ID\":\"" ID "\"}", { 0 } },
	{ "{\"ID\":\"" ID "\",\"Name\":5,\"Config\":[{\"Image\":\"a\"}]}", { 0 } },
	{ "{\"ID\":\"" ID "\",\"Config\":{\"Image\":null,\"Labels\":\"com.docker\"}}", { 0 } },
	{ "{\"ID\":\"" ID "\",\"Name\":\"a\\\"\\n\",\"Config\":{\"Image\":\"i\"}}",
	  { .container = "a\"\n", .workload = "i", .image = "i" } },
};

static void test_docker(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"ID\":\"other\"}",
		"{\"ID\":\"" ID "\"} x",
		"{\"ID\":\"" ID "\",\"Name\":\"\xff\"}",
	};
	struct pe_identity *identity;

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct pe_identity expected = files[i].expected;

		expected.runtime = "docker";
		expected.container_id = "3f2a81c01234";
		assert_int_equal(pe_docker_config_parse(files[i].text, strlen(files[i].text), ID,
							NULL, 0, &identity),
				 0);
		expect(identity, &expected);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(
			pe_docker_config_parse(bad[i], strlen(bad[i]), ID, NULL, 0, &identity),
			-EINVAL);
}

/* ---- Podman's lists, the kubelet's folders ---- */

#define LIST                                                        \
	"[{\"id\":\"other\",\"names\":[\"no\"]},7,{\"id\":\"" ID    \
	"\",\"names\":[\"web\",\"alias\"],"                         \
	"\"metadata\":\"{\\\"image-name\\\":\\\"docker.io/library/" \
	"nginx:1\\\",\\\"name\\\":\\\"web\\\"}\"}]"

static void test_podman_lists(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *container, *image;
	} lists[] = {
		{ LIST, 0, "web", "docker.io/library/nginx:1" },
		{ "[{\"id\":\"" ID "\"}]", 0, "", "" },
		{ "[{\"id\":\"" ID "\",\"names\":\"web\",\"metadata\":\"{\"}]", 0, "", "" },
		{ "[{\"id\":\"" ID "\",\"names\":[7],\"metadata\":\"[]\"}]", 0, "", "" },
		{ "[]", -ENOENT, "", "" },
		{ "{}", -ENOENT, "", "" },
		{ "[{\"id\":\"other\",\"names\":[\"web\"]}]", -ENOENT, "", "" },
		{ "", -EINVAL, "", "" },
		{ "[{\"id\":\"" ID "\"", -EINVAL, "", "" },
	};
	struct pe_podman_name name;

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		assert_int_equal(pe_podman_parse(lists[i].text, strlen(lists[i].text), ID, &name),
				 lists[i].r);
		assert_string_equal(name.container, lists[i].container);
		assert_string_equal(name.image, lists[i].image);
	}
}

static void test_pod_folders(void **state)
{
	static const char *const bad[] = { "",		 "_",
					   "__" UID,	 "shop_cart",
					   "shop_" UID,	 "shop__" UID,
					   "_cart_" UID, "shop_cart_" UID "0",
					   UID };
	struct pe_pod_name name;

	(void)state;
	assert_true(pe_pods_parse("shop_cart-0_" UID, UID, &name));
	assert_string_equal(name.namespace, "shop");
	assert_string_equal(name.pod, "cart-0");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(pe_pods_parse(bad[i], UID, &name));
		assert_string_equal(name.pod, "");
	}
	assert_false(pe_pods_parse("shop_cart_", "", &name));
}

/* What is in files of containers that are older than the exporter, and an image. */
static void test_older(void **state)
{
	struct pe_names *none = names_with(PE_TASK_NAMES_CNI, "other", "K8S_POD_NAME=wrong");
	struct pe_task_record podman = record_of("/machine.slice/libpod-" ID ".scope");
	struct pe_task_record pod = record_of("/kubepods/pod" UID "/" ID);
	struct pe_sources_of_names sources = { .names = none };
	char folder[] = "/tmp/test_identity.XXXXXX", path[128];
	struct pe_identity *identity;
	struct pe_cgroup_match match;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	sources.podman = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sources.pods = opendir(folder);
	assert_true(pe_cgroups_match(&podman, &match));
	assert_int_equal(pe_describe(&sources, &podman, &match, &identity), 0);
	expect(identity,
	       &(struct pe_identity){ .runtime = "podman", .container_id = "3f2a81c01234" });

	snprintf(path, sizeof(path), "%s/volatile-containers.json", folder);
	file = fopen(path, "we");
	assert_true(file && fputs(LIST, file) > 0 && fclose(file) == 0);
	/* Not asked for again at once. */
	assert_int_equal(pe_describe(&sources, &podman, &match, &identity), 0);
	assert_string_equal(identity->container, "");
	pe_identity_unref(identity);
	memset(sources.answers, 0, sizeof(sources.answers));
	assert_int_equal(pe_describe(&sources, &podman, &match, &identity), 0);
	expect(identity, &(struct pe_identity){ .container = "web",
						.workload = "docker.io/library/nginx",
						.image = "docker.io/library/nginx:1",
						.runtime = "podman",
						.container_id = "3f2a81c01234" });
	unlink(path);

	snprintf(path, sizeof(path), "%s/shop_cart-7d4b9c6f5b-x2k9q_" UID, folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(pe_cgroups_match(&pod, &match));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pe_describe(&sources, &pod, &match, &identity), 0);
		expect(identity, &(struct pe_identity){ .pod = "cart-7d4b9c6f5b-x2k9q",
							.namespace = "shop",
							.workload = "cart",
							.runtime = "containerd",
							.container_id = "3f2a81c01234",
							.pod_uid = UID });
	}
	rmdir(path);
	rmdir(folder);
	close(sources.podman);
	closedir(sources.pods);
	pe_names_free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),	    cmocka_unit_test(test_no_container),
		cmocka_unit_test(test_names),	    cmocka_unit_test(test_rules),
		cmocka_unit_test(test_identity),    cmocka_unit_test(test_pods),
		cmocka_unit_test(test_others),	    cmocka_unit_test(test_first_name),
		cmocka_unit_test(test_docker),	    cmocka_unit_test(test_podman_lists),
		cmocka_unit_test(test_pod_folders), cmocka_unit_test(test_older),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
