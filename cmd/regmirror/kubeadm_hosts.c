/*
 * kubeadm_hosts.c - `regmirror kubeadm hosts`: what tells a runtime to ask the target.
 *
 * The formats are those of guides/protocol.md 5.6 to 5.8.  Passwords are never printed: where they
 * belong is.
 */
#include "kubeadm.h"
#include "util/mem.h"

#define DEFAULT_UPSTREAM "registry.k8s.io"
#define DOCKER_HUB       "docker.io"

struct snippet {
	const struct kubeadm_job *job;
	char *upstream;                         /* what is mirrored: "registry.k8s.io" */
	char *repository;                       /* "reg.local:5000/k8s" */
	char *host, *path;                      /* of it: "reg.local:5000", "k8s" */
	const struct config_registry *registry; /* how it is spoken to; or NULL */
};

static void snippet_clear(struct snippet *s)
{
	free(s->upstream);
	free(s->repository);
	free(s->host);
	free(s->path);
}

static bool is_plain(const struct snippet *s)
{
	return s->registry && !s->registry->tls;
}

static const char *ca_of(const struct snippet *s)
{
	return s->registry && !is_plain(s) ? s->registry->ca : NULL;
}

static const char *pause_of(const struct snippet *s)
{
	return kubeadm_tag_of(s->job->images, "pause");
}

/* ---- containerd ---- */

static void print_containerd_sandbox(const struct snippet *s)
{
	const char *pause = pause_of(s);

	if (!pause)
		return;
	printf("# The sandbox image, in /etc/containerd/config.toml of containerd 2:\n"
	       "#   [plugins.'io.containerd.cri.v1.images'.pinned_images]\n"
	       "#     sandbox = '%s/pause:%s'\n"
	       "# and of containerd 1:\n"
	       "#   [plugins.\"io.containerd.grpc.v1.cri\"]\n"
	       "#     sandbox_image = \"%s/pause:%s\"\n",
		s->repository,
		pause,
		s->repository,
		pause);
}

static void print_containerd(const struct snippet *s)
{
	const char *scheme = is_plain(s) ? "http" : "https";
	bool is_hub = strcmp(s->upstream, DOCKER_HUB) == 0;
	AUTO_FREE char *url =
		xasprintf("%s://%s%s%s", scheme, s->host, *s->path ? "/v2/" : "", s->path);

	printf("# containerd: /etc/containerd/certs.d/%s/hosts.toml\n", s->upstream);
	if (strchr(s->upstream, '/')) {
		printf("# cannot mirror a part of a registry: use images named %s/...\n",
			s->repository);
		print_containerd_sandbox(s);
		return;
	}
	printf("# It is read when config.toml has config_path = \"/etc/containerd/certs.d\" below\n"
	       "#   [plugins.'io.containerd.cri.v1.images'.registry]      (containerd 2)\n"
	       "#   [plugins.\"io.containerd.grpc.v1.cri\".registry]        (containerd 1)\n"
	       "server = \"https://%s\"\n\n"
	       "[host.\"%s\"]\n"
	       "  capabilities = [\"pull\", \"resolve\"]\n",
		is_hub ? "registry-1.docker.io" : s->upstream,
		url);
	if (*s->path)
		printf("  override_path = true\n");
	if (ca_of(s))
		printf("  ca = \"/etc/containerd/certs.d/%s/ca.crt\"  # a copy of %s\n",
			s->upstream,
			ca_of(s));
	else if (!is_plain(s))
		printf("  # ca = \"/etc/containerd/certs.d/%s/ca.crt\"  # when the system does not "
		       "trust its certificate\n",
			s->upstream);
	printf("  # When it asks for a password; the file must be readable by root alone then:\n"
	       "  # [host.\"%s\".header]\n"
	       "  #   authorization = \"Basic BASE64_OF_USER:PASSWORD\"\n",
		url);
	print_containerd_sandbox(s);
}

/* ---- CRI-O and podman ---- */

static void print_crio(const struct snippet *s)
{
	const char *pause = pause_of(s);

	printf("# CRI-O, podman, skopeo: /etc/containers/registries.conf.d/50-regmirror.conf\n"
	       "[[registry]]\n"
	       "prefix = \"%s\"\n"
	       "location = \"%s\"\n\n"
	       "[[registry.mirror]]\n"
	       "location = \"%s\"\n"
	       "pull-from-mirror = \"all\"\n",
		s->upstream,
		s->upstream,
		s->repository);
	if (is_plain(s))
		printf("insecure = true  # plain HTTP\n");
	else
		printf("# %s: /etc/containers/certs.d/%s/ca.crt%s%s\n",
			ca_of(s) ? "Its certificate's authority"
				 : "When the system does not trust its certificate",
			s->host,
			ca_of(s) ? " is a copy of " : "",
			ca_of(s) ? ca_of(s) : "");
	printf("# When it asks for a password: 'podman login --authfile /etc/crio/auth.json %s', and\n"
	       "#   [crio.image]\n"
	       "#   global_auth_file = \"/etc/crio/auth.json\"\n"
	       "# in /etc/crio/crio.conf.d/50-regmirror.conf.\n",
		s->host);
	if (pause)
		printf("# The sandbox image, in /etc/crio/crio.conf.d/50-regmirror.conf:\n"
		       "#   [crio.image]\n"
		       "#   pause_image = \"%s/pause:%s\"\n"
		       "#   pause_image_auth_file = \"/etc/crio/auth.json\"  # with a password\n",
			s->repository,
			pause);
}

/* ---- Docker ---- */

/* daemon.json has no comments: what is to be said stands around it. */
static void print_docker(const struct snippet *s)
{
	bool is_hub = strcmp(s->upstream, DOCKER_HUB) == 0 && !*s->path;
	/* Alone it is a file that can be used as it is. */
	FILE *hints = s->job->runtime ? stderr : stdout;
	AUTO_FREE char *mirrors = xasprintf("\n  \"registry-mirrors\": [\"%s://%s\"]%s",
		is_plain(s) ? "http" : "https",
		s->host,
		is_plain(s) ? "," : "\n");
	AUTO_FREE char *insecure = xasprintf("\n  \"insecure-registries\": [\"%s\"]\n", s->host);

	fprintf(hints, "# Docker: /etc/docker/daemon.json, without these lines\n");
	if (!is_hub)
		fprintf(hints,
			"# It mirrors Docker Hub alone: use images named %s/...\n",
			s->repository);
	printf("{%s%s}\n", is_hub ? mirrors : "", is_plain(s) ? insecure : "");
	if (!is_plain(s))
		fprintf(hints,
			"# %s: /etc/docker/certs.d/%s/ca.crt%s%s\n",
			ca_of(s) ? "Its certificate's authority"
				 : "When the system does not trust its certificate",
			s->host,
			ca_of(s) ? " is a copy of " : "",
			ca_of(s) ? ca_of(s) : "");
	fprintf(hints, "# When it asks for a password: docker login %s\n", s->host);
}

/* ---- all of it ---- */

static const struct {
	const char *name, *also;
	void (*print)(const struct snippet *s);
} runtimes[] = {
	{"containerd", NULL, print_containerd},
	{"crio", "podman", print_crio},
	{"docker", NULL, print_docker},
};

static bool is_meant(size_t i, const char *runtime)
{
	return !runtime || strcmp(runtimes[i].name, runtime) == 0 ||
	       (runtimes[i].also && strcmp(runtimes[i].also, runtime) == 0);
}

static int check_runtime(const char *runtime, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++)
		if (is_meant(i, runtime))
			return 0;
	return error_set(
		err, ERR_USAGE, "--for: '%.40s' is none of containerd, crio, docker", runtime);
}

static int make_snippet(const struct kubeadm_job *job, const struct kubeadm_place *place,
	struct snippet *s, struct error *err)
{
	const struct config_rule *rule = place->rule;
	const char *slash;
	int rc = kubeadm_place_repository(place, &s->repository, err);

	if (rc < 0)
		return rc;
	slash = strchr(s->repository, '/');
	s->job = job;
	s->host = xstrndup(
		s->repository, slash ? (size_t)(slash - s->repository) : strlen(s->repository));
	s->path = xstrdup(slash ? slash + 1 : "");
	s->upstream =
		xstrdup(rule ? job->config->upstreams[rule->upstream].authority : DEFAULT_UPSTREAM);
	s->registry = config_registry_of(job->config, s->repository);
	return 0;
}

int kubeadm_hosts(const struct kubeadm_job *job, struct error *err)
{
	AUTO(kubeadm_places_clear) struct kubeadm_places places = {.n = 0};
	bool first = true;

	if (check_runtime(job->runtime, err) < 0 || kubeadm_places(job, &places, err) < 0)
		return exit_code_of(err);
	for (size_t p = 0; p < places.n; p++) {
		AUTO(snippet_clear) struct snippet s = {.job = job};

		/* With several, the store is left out: nodes reach it by a name that is not here.
		 */
		if (places.n > 1 && !places.items[p].registry)
			continue;
		if (make_snippet(job, &places.items[p], &s, err) < 0)
			return exit_code_of(err);
		for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++) {
			if (!is_meant(i, job->runtime))
				continue;
			printf("%s", first ? "" : "\n");
			runtimes[i].print(&s);
			first = false;
		}
	}
	if (first) {
		(void)error_set(
			err, ERR_USAGE, "all targets are the store: say --image-repository");
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}
