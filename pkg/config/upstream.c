/*
 * upstream.c - an upstream's sources: each one once, a quorum that can be reached, a chain that
 * names them.
 */
#include "config/upstream.h"

#include <ctype.h>

#include "config/checks.h"
#include "util/map.h"
#include "util/mem.h"

#define PORT_TLS   ":443"
#define PORT_PLAIN ":80"

/*
 * A source as it is spoken to: names of hosts know no case, and a port that goes without saying is
 * written out.  The caller frees.
 */
static char *canonical(const struct config *c, const char *name)
{
	const struct config_registry *reg = config_registry_of(c, name);
	AUTO_FREE char *host = xstrndup(name, strcspn(name, "/"));
	const char *bracket = strrchr(host, ']'); /* of an IPv6 address: its colons are no port's */
	bool has_port = strchr(bracket ? bracket : host, ':') != NULL;

	for (char *at = host; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return xasprintf("%s%s%s",
		host,
		has_port           ? ""
		: reg && !reg->tls ? PORT_PLAIN
				   : PORT_TLS,
		name + strlen(host));
}

/* A mirror that is another one, or the authority, in other words measures one source as two. */
static int check_mirror(const struct reader *r, const struct yaml_node *item,
	const struct config_upstream *up, const char *host, const char *same, struct error *err)
{
	const struct yaml_pos at = yaml_value_at(item, "host");
	bool authority = strcmp(same, up->authority) == 0;

	if (strcmp(same, host) == 0)
		return setting_fail(r->file,
			at,
			err,
			"host: '%.80s' is %s",
			host,
			authority ? "the authority itself" : "listed twice");
	return setting_fail(r->file,
		at,
		err,
		"host: '%.80s' is the same as %s'%.80s'",
		host,
		authority ? "the authority " : "",
		same);
}

/* No source is listed twice, and the quorum can be reached. */
static int check_mirrors(const struct reader *r, const struct yaml_node *node,
	struct config_upstream *up, struct error *err)
{
	AUTO(map_freep) struct map *seen = map_new(NULL);
	AUTO_FREE char *authority = canonical(r->config, up->authority);
	const struct yaml_node *item = yaml_first(node, "mirrors");
	unsigned n_resolving = 0;

	map_put_str(seen, authority, up->authority);
	for (size_t i = 0; i < up->n_mirrors && item; i++, item = item->next) {
		AUTO_FREE char *key = canonical(r->config, up->mirrors[i].host);
		const char *same = map_get_str(seen, key);

		if (same)
			return check_mirror(r, item, up, up->mirrors[i].host, same, err);
		map_put_str(seen, key, up->mirrors[i].host);
		n_resolving += up->mirrors[i].resolve;
	}
	if (up->quorum > 1 && up->quorum > n_resolving)
		return setting_fail(r->file,
			yaml_value_at(node, "quorum"),
			err,
			"quorum: %u sources cannot agree: %u of the mirrors have 'resolve: true'",
			up->quorum,
			n_resolving);
	return 0;
}

/* The words that a chain of this upstream may have: all names, and what stands for none. */
struct words {
	const char **word;
	size_t n;
};

static void words_of(const struct config_upstream *up, struct words *words)
{
	words->word = xcalloc(up->n_mirrors + 3, sizeof(*words->word));
	for (size_t i = 0; i < up->n_mirrors; i++)
		words->word[words->n++] = up->mirrors[i].host;
	words->word[words->n++] = up->authority;
	words->word[words->n++] = "direct";
	words->word[words->n++] = "off";
}

static int unknown_entry(const struct reader *r, struct yaml_pos at, const char *entry,
	const struct words *words, struct error *err)
{
	const char *nearest = nearest_name(entry, words->word, words->n);

	if (nearest)
		return setting_fail(r->file,
			at,
			err,
			"chain: '%.80s' is no source of this upstream; did you mean '%s'?",
			entry,
			nearest);
	return setting_fail(r->file,
		at,
		err,
		"chain: '%.80s' is no source of this upstream: neither its authority nor a mirror's "
		"host, nor 'direct' or 'off'",
		entry);
}

/* Up to the end that is written in it; what stands behind is not read in a run, either. */
static int check_chain_names(const struct reader *r, const struct yaml_node *node,
	const struct config_upstream *up, const struct words *words, struct error *err)
{
	AUTO(map_freep) struct map *seen = map_new(NULL);
	struct yaml_pos at = yaml_value_at(node, "chain");
	const char *text = up->chain, *start;
	bool end = false;
	size_t len = 0;

	while (!end && (start = chain_next(&text, &len)) != NULL) {
		AUTO_FREE char *entry = xstrndup(start, len);
		bool known = false;

		for (size_t i = 0; i < words->n && !known; i++)
			known = strcmp(entry, words->word[i]) == 0;
		if (!known)
			return unknown_entry(r, at, entry, words, err);
		if (map_get_str(seen, entry))
			return setting_fail(
				r->file, at, err, "chain: '%.80s' is listed twice", entry);
		map_put_str(seen, entry, seen);
		end = strcmp(entry, "direct") == 0 || strcmp(entry, "off") == 0;
	}
	return 0;
}

static int check_order(const struct reader *r, const struct yaml_node *node,
	const struct config_upstream *up, struct error *err)
{
	struct words words = {.n = 0};
	int rc;

	if (up->choose == CONFIG_CHOOSE_MEASURED)
		return setting_fail(r->file,
			yaml_key_at(node, "chain"),
			err,
			"chain: has no use with 'choose: measured', which knows no order");
	words_of(up, &words);
	rc = check_chain_names(r, node, up, &words, err);
	free(words.word);
	return rc;
}

int upstream_check(const struct reader *r, const struct yaml_node *node, struct config_upstream *up,
	struct error *err)
{
	int rc = check_mirrors(r, node, up, err);

	if (rc == 0 && up->chain)
		rc = check_order(r, node, up, err);
	if (rc == 0 && up->choose == CONFIG_CHOOSE_DEFAULT)
		up->choose = up->n_mirrors > 0 && !up->chain ? CONFIG_CHOOSE_MEASURED
							     : CONFIG_CHOOSE_ORDERED;
	return rc;
}
