/* cmd_kubeadm.c - `regmirror kubeadm images|config|hosts|check`. */
#include <fcntl.h>

#include "adhoc.h"
#include "kubeadm.h"
#include "oci/json.h"
#include "oci/reference.h"
#include "select/semver.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/opt.h"

#define LIST_JSON_MAX ((size_t)64 * 1024) /* bytes; 64 images of 300 are a third */
#define BETA3_FROM    22                  /* minor version whose kubeadm reads v1beta3 first */
#define BETA4_FROM    31                  /* and v1beta4 (guides/protocol.md 5.3) */

static struct {
	const char *version, *repository, *table, *from_kubeadm, *output, *api_version, *runtime;
	struct opt_list platforms, plain;
	bool json, kubeadm_only;
} args;

const struct opt kubeadm_opts[] = {
	OPT_STR(0, "kubernetes-version", &args.version, "VERSION", "this version, such as v1.34.1"),
	OPT_STR(0, "image-repository", &args.repository, "REPO",
		"as kubeadm's: HOST[:PORT][/PREFIX]"),
	OPT_STR(0, "table", &args.table, "FILE", "images of versions that are not known"),
	OPT_STR(0, "from-kubeadm", &args.from_kubeadm, "FILE",
		"what 'kubeadm config images list' printed; - is standard input"),
	OPT_STR('o', "output", &args.output, "FORMAT",
		"images: text, json, or table: a line for --table"),
	OPT_FLAG(0, "json", &args.json, "images, check: print JSON"),
	OPT_STR(0, "api-version", &args.api_version, "VERSION", "config: v1beta3 or v1beta4"),
	OPT_STR(0, "for", &args.runtime, "RUNTIME", "hosts: containerd, crio or docker only"),
	OPT_LIST(0, "platform", &args.platforms, "OS/ARCH",
		"check: only this platform; may be repeated"),
	OPT_FLAG(0, "kubeadm-only", &args.kubeadm_only, "check: only what kubeadm itself lists"),
	OPT_LIST(0, "plain", &args.plain, "HOST[:PORT]",
		"check, hosts: this host speaks plain HTTP"),
	OPT_END,
};

/* ---- the table ---- */

static int read_input(const char *path, struct buf *text, struct error *err)
{
	int rc = file_read(AT_FDCWD, strcmp(path, "-") == 0 ? "/dev/stdin" : path, text, err);

	/* A file that is not there is the user's to name: exit 2. */
	if (rc == -ERR_NOTFOUND || rc == -ERR_NOMEM)
		err->code = ERR_USAGE;
	return rc < 0 ? -(int)err->code : 0;
}

static int add_table(struct kubeadm_table *table, struct error *err)
{
	AUTO(buf_clear) struct buf text = BUF_INIT(KUBEADM_TABLE_MAX);
	int rc = args.table ? read_input(args.table, &text, err) : 0;

	if (rc == 0 && args.table)
		rc = kubeadm_table_add(table, args.table, buf_text(&text), text.len, err);
	return rc < 0 ? error_wrap(err, rc, "--table") : 0;
}

/* *version is the one of the list when none was asked for; the caller frees. */
static int add_output(struct kubeadm_table *table, char **version, struct error *err)
{
	AUTO(buf_clear) struct buf text = BUF_INIT(KUBEADM_OUTPUT_MAX);
	AUTO_FREE char *listed = NULL;
	int rc = args.from_kubeadm ? read_input(args.from_kubeadm, &text, err) : 0;

	if (rc == 0 && args.from_kubeadm)
		rc = kubeadm_table_add_output(
			table, args.from_kubeadm, buf_text(&text), text.len, &listed, err);
	if (rc < 0)
		return error_wrap(err, rc, "--from-kubeadm");
	*version = xstrdup(args.version ? args.version : listed);
	return 0;
}

static int read_images(struct kubeadm_table *table, struct kubeadm_images *ret, struct error *err)
{
	AUTO_FREE char *version = NULL;
	int rc = add_table(table, err);

	if (rc == 0)
		rc = add_output(table, &version, err);
	if (rc == 0 && version)
		rc = kubeadm_images_get(table, version, ret, err);
	return rc;
}

/* ---- images ---- */

static int print_json(const struct kubeadm_images *images, struct error *err)
{
	AUTO(buf_clear) struct buf out = BUF_INIT(LIST_JSON_MAX);
	struct jx_writer w = {.out = &out};
	int rc;

	/* Compact, as kubeadm does. */
	jx_begin_object(&w, NULL);
	jx_put_text(&w, "kind", "Images");
	jx_put_text(&w, "apiVersion", "output.kubeadm.k8s.io/v1alpha3");
	jx_begin_array(&w, "images");
	for (size_t i = 0; i < images->n; i++) {
		AUTO_FREE char *reference = kubeadm_reference(images, i, args.repository);

		jx_put_text(&w, NULL, reference);
	}
	jx_end_array(&w);
	jx_end_object(&w);
	rc = jx_writer_finish(&w, err);
	if (rc == 0)
		printf("%s\n", buf_text(&out));
	return rc;
}

static int print_images(const struct kubeadm_job *job, struct error *err)
{
	const char *format = args.output ? args.output : args.json ? "json" : "text";

	if (strcmp(format, "json") == 0)
		return print_json(job->images, err) < 0 ? exit_code_of(err) : EXIT_DONE;
	if (strcmp(format, "table") == 0) {
		AUTO_FREE char *row = kubeadm_row(job->images);

		printf("%s\n", row);
		return EXIT_DONE;
	}
	if (strcmp(format, "text") != 0) {
		(void)error_set(
			err, ERR_USAGE, "--output: '%.40s' is none of text, json, table", format);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < job->images->n; i++) {
		AUTO_FREE char *reference = kubeadm_reference(job->images, i, args.repository);

		printf("%s\n", reference);
	}
	return EXIT_DONE;
}

/* ---- config ---- */

/* Which of the formats the kubeadm of this version reads: the newest, or the one asked for. */
static int choose_api(
	const struct kubeadm_images *images, const char *asked, const char **ret, struct error *err)
{
	struct semver v = {.major = 0};
	bool parsed = semver_parse(images->version, &v);

	if (asked && strcmp(asked, "v1beta3") != 0 && strcmp(asked, "v1beta4") != 0)
		return error_set(err,
			ERR_USAGE,
			"--api-version: '%.40s' is neither v1beta3 nor v1beta4",
			asked);
	if (!parsed || v.major != 1 || v.minor < BETA3_FROM)
		return error_set(err,
			ERR_USAGE,
			"the kubeadm of %s reads neither v1beta3 nor v1beta4: use --image-repository "
			"of kubeadm itself",
			images->version);
	*ret = asked ? asked : v.minor < BETA4_FROM ? "v1beta3" : "v1beta4";
	if (v.minor < BETA4_FROM && strcmp(*ret, "v1beta4") == 0)
		return error_set(err,
			ERR_USAGE,
			"--api-version: the kubeadm of %s does not read v1beta4",
			images->version);
	return 0;
}

static int only_place(const struct kubeadm_job *job, char **ret, struct error *err)
{
	AUTO(kubeadm_places_clear) struct kubeadm_places places = {.n = 0};
	const struct kubeadm_place *found = NULL;
	int rc = kubeadm_places(job, &places, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < places.n; i++) {
		if (found && found->registry && places.items[i].registry)
			return error_set(err,
				ERR_USAGE,
				"several targets have the images of kubeadm: name one, such as '%s'",
				found->name);
		if (!found || !found->registry)
			found = &places.items[i];
	}
	return kubeadm_place_repository(found, ret, err);
}

int kubeadm_config(const struct kubeadm_job *job, struct error *err)
{
	AUTO_FREE char *repository = NULL;
	const char *api = NULL, *quote;
	const char *dns = kubeadm_tag_of(job->images, "coredns");
	const char *etcd = kubeadm_tag_of(job->images, "etcd");

	if (choose_api(job->images, job->api_version, &api, err) < 0 ||
		only_place(job, &repository, err) < 0)
		return exit_code_of(err);
	quote = *repository == '[' ? "\"" : ""; /* an IPv6 address */
	printf("# For kubeadm init --config: all images come from %s.\n"
	       "apiVersion: kubeadm.k8s.io/%s\n"
	       "kind: ClusterConfiguration\n"
	       "kubernetesVersion: %s\n"
	       "imageRepository: %s%s%s\n",
		repository,
		api,
		job->images->version,
		quote,
		repository,
		quote);
	if (dns && etcd)
		printf("# Only for a kubeadm of another version, which would ask for other tags:\n"
		       "#dns:\n#  imageTag: %s\n#etcd:\n#  local:\n#    imageTag: %s\n",
			dns,
			etcd);
	return EXIT_DONE;
}

/* ---- the command ---- */

enum subcommand {
	IMAGES = 1 << 0,
	CONFIG = 1 << 1,
	HOSTS = 1 << 2,
	CHECK = 1 << 3,
};

static const struct {
	const char *name;
	unsigned bit;
	bool needs_version;
	int (*run)(const struct kubeadm_job *job, struct error *err);
} subcommands[] = {
	{"images", IMAGES, true, print_images},
	{"config", CONFIG, true, kubeadm_config},
	{"hosts", HOSTS, false, kubeadm_hosts},
	{"check", CHECK, true, kubeadm_check},
};

/* An option that has no effect would be waited for in vain. */
static int refuse_useless(unsigned bit, const char *name, struct error *err)
{
	const struct {
		const char *option;
		bool given;
		unsigned of;
	} options[] = {
		{"output", args.output != NULL, IMAGES},
		{"json", args.json, IMAGES | CHECK},
		{"api-version", args.api_version != NULL, CONFIG},
		{"for", args.runtime != NULL, HOSTS},
		{"platform", args.platforms.n > 0, CHECK},
		{"kubeadm-only", args.kubeadm_only, CHECK},
		{"plain", args.plain.n > 0, HOSTS | CHECK},
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].given && !(options[i].of & bit))
			return error_set(err,
				ERR_USAGE,
				"kubeadm %s: --%s has no use here",
				name,
				options[i].option);
	if (args.json && args.output && strcmp(args.output, "json") != 0)
		return error_set(err, ERR_USAGE, "either --json or --output");
	return 0;
}

static int parse_platforms(struct platform *list, struct error *err)
{
	for (size_t i = 0; i < args.platforms.n; i++) {
		int rc = platform_parse(args.platforms.items[i], &list[i], err);

		if (rc < 0)
			return error_wrap(err, rc, "--platform");
	}
	return 0;
}

/* As kubeadm has it: without a trailing slash, which would make another repository of it. */
static int check_repository(struct error *err)
{
	AUTO(reference_clear) struct reference r = REFERENCE_INIT;
	AUTO_FREE char *image = args.repository ? xasprintf("%s/pause:0", args.repository) : NULL;

	if (!image || reference_parse(image, &r, NULL) == 0)
		return 0;
	return error_set(err,
		ERR_USAGE,
		"--image-repository: '%.80s' is not HOST[:PORT][/PREFIX]",
		args.repository);
}

static int run(struct program *program, size_t which, char **names, int n_names, struct error *err)
{
	AUTO(config_freep) struct config *config = NULL;
	AUTO(kubeadm_images_clear) struct kubeadm_images images = {.n = 0};
	AUTO_FREE struct platform *platforms = xcalloc(args.platforms.n + 1, sizeof(*platforms));
	struct kubeadm_job job = {
		.images = &images,
		.image_repository = args.repository,
		.runtime = args.runtime,
		.api_version = args.api_version,
		.platforms = platforms,
		.n_platforms = args.platforms.n,
		.json = args.json,
		.kubeadm_only = args.kubeadm_only,
		.names = names,
		.n_names = n_names,
	};

	if (refuse_useless(subcommands[which].bit, subcommands[which].name, err) < 0 ||
		check_repository(err) < 0 || parse_platforms(platforms, err) < 0 ||
		adhoc_config(program, &args.plain, &config, err) < 0 ||
		read_images(config->kubeadm_table, &images, err) < 0)
		return exit_code_of(err);
	if (images.n == 0 && subcommands[which].needs_version) {
		(void)error_set(err,
			ERR_USAGE,
			"kubeadm %s: --kubernetes-version is missing",
			subcommands[which].name);
		return EXIT_USAGE;
	}
	job.config = config;
	return subcommands[which].run(&job, err);
}

int cmd_kubeadm(struct program *program, int argc, char **argv, struct error *err)
{
	int n, code = EXIT_USAGE, rc = opt_parse(kubeadm_opts, argc, argv, &n, err);
	size_t which = 0;

	if (rc != 0)
		return rc < 0 ? EXIT_USAGE : EXIT_DONE;
	while (n > 0 && which < ARRAY_SIZE(subcommands) &&
		strcmp(argv[0], subcommands[which].name) != 0)
		which++;
	if (n == 0 || which == ARRAY_SIZE(subcommands))
		(void)error_set(err,
			ERR_USAGE,
			"kubeadm: say 'kubeadm images', 'config', 'hosts' or 'check'");
	else if (subcommands[which].bit == IMAGES && n > 1)
		(void)error_set(err, ERR_USAGE, "kubeadm images takes no operands");
	else
		code = run(program, which, argv + 1, n - 1, err);
	opt_list_clear(&args.platforms);
	opt_list_clear(&args.plain);
	return code;
}
