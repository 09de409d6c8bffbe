/* htpasswd.c - who may push: a file of names and bcrypt hashes. */
#include "server/htpasswd.h"

#include <crypt.h>
#include <fcntl.h>
#include <pthread.h>
#include <strings.h>
#include <sys/stat.h>

#include "oci/digest.h"
#include "registry/base64.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/map.h"
#include "util/mem.h"
#include "util/parse.h"

#define LOOK_AGAIN_MS  ((uint64_t)1000)
#define SALT_HEX_BYTES 16 /* of chance */
/* "$2y$05$", 22 characters of salt and 31 of hash. */
#define BCRYPT_LEN          60u
#define BCRYPT_SETTING_LEN  29u
#define CREDENTIALS_MAX     ((size_t)4096) /* bytes of a name and a password together */
#define CREDENTIALS_B64_MAX (CREDENTIALS_MAX * 4 / 3 + 8)

/* A pair that was checked; by its key alone it does not say which. */
struct verdict {
	struct digest key;
	bool right;
	uint64_t used; /* by htpasswd.clock */
};

/* What tells that a file is another one, or has changed. */
struct version {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct htpasswd {
	char *path;
	char salt[2 * SALT_HEX_BYTES + 1]; /* of the keys */

	pthread_mutex_t lock;
	struct map *users; /* name to char *hash */
	/* With the salt of a hash that nobody has, for names that are not there. */
	char nobody[BCRYPT_SETTING_LEN + 1];
	struct version version;
	uint64_t looked_ms;
	struct verdict verdicts[HTPASSWD_CACHE];
	unsigned n_verdicts;
	uint64_t clock;
	unsigned hashing;
};

/* ---- reading ---- */

static const char base64_of_crypt[] =
	"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* What htpasswd and its kin write instead (htpasswd(1), crypt(5)). */
static const char *kind_of(const char *hash)
{
	static const struct {
		const char *prefix, *name;
	} kinds[] = {
		{"$apr1$", "MD5 (apr1)"},
		{"{SHA}", "SHA-1"},
		{"$1$", "MD5"},
		{"$5$", "SHA-256"},
		{"$6$", "SHA-512"},
		{"$7$", "scrypt"},
		{"$y$", "yescrypt"},
		{"$2", "a broken form of bcrypt"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strncmp(hash, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return kinds[i].name;
	return "crypt, or no hash at all";
}

static bool is_bcrypt(const char *hash)
{
	return strlen(hash) == BCRYPT_LEN && strncmp(hash, "$2", 2) == 0 &&
	       strchr("aby", hash[2]) && hash[3] == '$' && hash[4] >= '0' && hash[4] <= '3' &&
	       hash[5] >= '0' && hash[5] <= '9' && hash[6] == '$' &&
	       hash[7 + strspn(hash + 7, base64_of_crypt)] == '\0';
}

static unsigned cost_of(const char *hash)
{
	return (unsigned)(hash[4] - '0') * 10 + (unsigned)(hash[5] - '0');
}

static int read_line(char *line, unsigned number, struct map *users, struct error *err)
{
	char *colon = strchr(line, ':'), *hash;

	if (!colon || colon == line)
		return error_set(err, ERR_USAGE, "line %u: no NAME:HASH", number);
	*colon = '\0';
	hash = colon + 1;
	/* htpasswd of old systems adds more fields. */
	hash[strcspn(hash, ":")] = '\0';
	if (!text_is_clean(line, strlen(line)))
		return error_set(err, ERR_USAGE, "line %u: the name is no clean text", number);
	if (!is_bcrypt(hash))
		return error_set(err,
			ERR_USAGE,
			"line %u: the password of '%.80s' is hashed by %s; only bcrypt is taken "
			"(htpasswd -B)",
			number,
			line,
			kind_of(hash));
	if (cost_of(hash) < HTPASSWD_COST_MIN || cost_of(hash) > HTPASSWD_COST_MAX)
		return error_set(err,
			ERR_USAGE,
			"line %u: the cost of '%.80s' is %u, not %u to %u",
			number,
			line,
			cost_of(hash),
			HTPASSWD_COST_MIN,
			HTPASSWD_COST_MAX);
	if (map_get_str(users, line))
		return error_set(err, ERR_USAGE, "line %u: '%.80s' is there twice", number, line);
	map_put_str(users, line, xstrdup(hash));
	return 0;
}

static int read_users(struct buf *text, struct map *users, struct error *err)
{
	unsigned number = 0;
	int rc = 0;

	if (memchr(buf_text(text), '\0', text->len))
		return error_set(err, ERR_USAGE, "this is no text");
	for (char *line = text->data, *next; line && *line && rc == 0; line = next) {
		size_t len = strcspn(line, "\n");

		next = line[len] ? line + len + 1 : NULL;
		line[len] = '\0';
		if (len > 0 && line[len - 1] == '\r')
			line[len - 1] = '\0';
		number++;
		if (*line != '\0' && *line != '#')
			rc = read_line(line, number, users, err);
	}
	return rc;
}

static bool see_version(const char *path, struct version *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	*ret = (struct version){
		.dev = st.st_dev, .ino = st.st_ino, .size = st.st_size, .changed = st.st_mtim};
	return true;
}

static bool same_version(const struct version *a, const struct version *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/*
 * Whoever is there costs as much as whoever is not: the first user's cost (they are all the same
 * in practice), or the lowest when there is nobody.
 */
static void set_nobody(struct htpasswd *h)
{
	const struct map_item *first = map_first(h->users);
	const unsigned cost = first ? cost_of(map_value(first)) : HTPASSWD_COST_MIN;

	(void)snprintf(h->nobody, sizeof(h->nobody), "$2b$%02u$......................", cost);
}

int htpasswd_reload(struct htpasswd *h, struct error *err)
{
	AUTO(buf_clear) struct buf text = BUF_INIT(HTPASSWD_FILE_MAX);
	AUTO(map_freep) struct map *users = map_new(free), *old = NULL;
	struct version v = {.size = 0};
	int rc;

	/* Before it is read: what is written meanwhile is seen again. */
	(void)see_version(h->path, &v);
	rc = file_read(AT_FDCWD, h->path, &text, err);
	if (rc == 0) {
		rc = read_users(&text, users, err);
		if (rc < 0)
			rc = error_wrap(err, rc, "'%s'", h->path);
	}
	(void)pthread_mutex_lock(&h->lock);
	h->version = v;
	h->looked_ms = clock_mono_ms();
	if (rc == 0) {
		old = steal(&h->users);
		h->users = steal(&users);
		set_nobody(h);
	}
	(void)pthread_mutex_unlock(&h->lock);
	return rc;
}

int htpasswd_open(const char *path, struct htpasswd **ret, struct error *err)
{
	AUTO(htpasswd_freep) struct htpasswd *h = xcalloc(1, sizeof(*h));
	int rc;

	(void)pthread_mutex_init(&h->lock, NULL); /* cannot fail on Linux */
	h->path = xstrdup(path);
	random_hex(h->salt, SALT_HEX_BYTES);
	rc = htpasswd_reload(h, err);
	if (rc == 0)
		*ret = steal(&h);
	return rc;
}

void htpasswd_free(struct htpasswd *h)
{
	if (!h)
		return;
	map_free(h->users);
	(void)pthread_mutex_destroy(&h->lock);
	free(h->path);
	free(h);
}

/* True when the file should be read again; with the lock held. */
static bool has_changed(struct htpasswd *h)
{
	const uint64_t now = clock_mono_ms();
	struct version v;

	if (now - h->looked_ms < LOOK_AGAIN_MS)
		return false;
	/* One that is gone for a moment, because it is being replaced, is looked for again. */
	if (!see_version(h->path, &v) || same_version(&v, &h->version)) {
		h->looked_ms = now;
		return false;
	}
	return true;
}

/* ---- what is remembered ---- */

/*
 * The hash is part of the key, so that nothing remembered outlives a change of the file.  False:
 * too long to be anybody's.
 */
static bool make_key(const struct htpasswd *h, const char *name, const char *hash,
	const char *password, struct digest *ret)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(CREDENTIALS_MAX + sizeof(h->salt) + BCRYPT_LEN + 4);
	int rc;

	if (strlen(password) > HTPASSWD_PASSWORD_MAX)
		return false;
	rc = buf_append(&b, h->salt, sizeof(h->salt), NULL);
	if (rc == 0)
		rc = buf_append(&b, hash, strlen(hash) + 1, NULL);
	if (rc == 0)
		rc = buf_append(&b, name, strlen(name) + 1, NULL);
	if (rc == 0)
		rc = buf_puts(&b, password, NULL);
	if (rc == 0)
		rc = digest_of(DIGEST_SHA256, b.data, b.len, ret, NULL);
	if (b.data)
		explicit_bzero(b.data, b.len);
	return rc == 0;
}

static struct verdict *recall(struct htpasswd *h, const struct digest *key)
{
	for (unsigned i = 0; i < h->n_verdicts; i++) {
		struct verdict *v = &h->verdicts[i];

		if (digest_equal(&v->key, key)) {
			v->used = ++h->clock;
			return v;
		}
	}
	return NULL;
}

static struct verdict *oldest(struct htpasswd *h)
{
	struct verdict *v = &h->verdicts[0];

	for (unsigned i = 1; i < h->n_verdicts; i++)
		if (h->verdicts[i].used < v->used)
			v = &h->verdicts[i];
	return v;
}

/* Instead of the one that was not asked for longest. */
static void remember(struct htpasswd *h, const struct digest *key, bool right)
{
	struct verdict *v = recall(h, key);

	if (!v)
		v = h->n_verdicts < HTPASSWD_CACHE ? &h->verdicts[h->n_verdicts++] : oldest(h);
	*v = (struct verdict){.key = *key, .right = right, .used = ++h->clock};
}

/* With the lock held.  The hash to be compared with, or one that nothing is equal to. */
static const char *hash_of(const struct htpasswd *h, const char *name)
{
	const char *hash = map_get_str(h->users, name);

	return hash ? hash : h->nobody;
}

/* With the lock held. */
static enum htpasswd_verdict look(struct htpasswd *h, const struct digest *key)
{
	const struct verdict *v = recall(h, key);

	if (!v)
		return HTPASSWD_UNKNOWN;
	return v->right ? HTPASSWD_RIGHT : HTPASSWD_WRONG;
}

enum htpasswd_verdict htpasswd_look(struct htpasswd *h, const char *name, const char *password)
{
	enum htpasswd_verdict verdict = HTPASSWD_UNKNOWN;
	struct digest key;

	(void)pthread_mutex_lock(&h->lock);
	if (!has_changed(h))
		verdict = make_key(h, name, hash_of(h, name), password, &key) ? look(h, &key)
									      : HTPASSWD_WRONG;
	(void)pthread_mutex_unlock(&h->lock);
	return verdict;
}

/* ---- hashing ---- */

/* In a time that does not depend on where they differ. */
static bool equal_slowly(const char *a, const char *b, size_t len)
{
	volatile unsigned char difference = 0;

	for (size_t i = 0; i < len; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

static bool hashes_to(const char *password, const char *hash)
{
	/* crypt_rn() is libxcrypt's; sanitizers know another size of crypt_r()'s memory. */
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *made = crypt_rn(password, hash, data, sizeof(*data));
	const bool right = made && strlen(made) == BCRYPT_LEN && strlen(hash) == BCRYPT_LEN &&
			   equal_slowly(made, hash, BCRYPT_LEN);

	explicit_bzero(data, sizeof(*data));
	free(data);
	return right;
}

/* With the lock held, which is let go while the password is hashed. */
static enum htpasswd_verdict hash(
	struct htpasswd *h, const char *stored, const struct digest *key, const char *password)
{
	AUTO_FREE char *copy = NULL;
	bool right;

	if (h->hashing >= HTPASSWD_AT_ONCE)
		return HTPASSWD_BUSY;
	h->hashing++;
	copy = xstrdup(stored);
	(void)pthread_mutex_unlock(&h->lock);
	right = hashes_to(password, copy);
	(void)pthread_mutex_lock(&h->lock);
	h->hashing--;
	remember(h, key, right);
	return right ? HTPASSWD_RIGHT : HTPASSWD_WRONG;
}

enum htpasswd_verdict htpasswd_check(
	struct htpasswd *h, const char *name, const char *password, struct error *trouble)
{
	enum htpasswd_verdict verdict = HTPASSWD_WRONG;
	struct digest key;
	bool changed;
	int rc = 0;

	(void)pthread_mutex_lock(&h->lock);
	changed = has_changed(h);
	(void)pthread_mutex_unlock(&h->lock);
	if (changed)
		rc = htpasswd_reload(h, trouble);
	(void)rc; /* what was read before counts */
	(void)pthread_mutex_lock(&h->lock);
	if (make_key(h, name, hash_of(h, name), password, &key)) {
		verdict = look(h, &key);
		if (verdict == HTPASSWD_UNKNOWN)
			verdict = hash(h, hash_of(h, name), &key, password);
	}
	(void)pthread_mutex_unlock(&h->lock);
	return verdict;
}

/* ---- Basic ---- */

void basic_credentials_clear(struct basic_credentials *c)
{
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	free(c->name);
	free(c->password);
	*c = (struct basic_credentials){.name = NULL};
}

int basic_credentials_parse(
	const char *authorization, struct basic_credentials *ret, struct error *err)
{
	static const char scheme[] = "Basic";
	AUTO(buf_clear) struct buf pair = BUF_INIT(CREDENTIALS_MAX);
	const char *s = authorization + strspn(authorization, " \t"), *colon;

	if (strncasecmp(s, scheme, sizeof(scheme) - 1) != 0 || s[sizeof(scheme) - 1] != ' ')
		return error_set(err, ERR_USAGE, "only Basic credentials are taken");
	s += sizeof(scheme);
	if (strlen(s) > CREDENTIALS_B64_MAX || base64_decode(s, &pair, NULL) < 0)
		return error_set(err, ERR_USAGE, "the credentials are not in base64");
	colon = memchr(buf_text(&pair), ':', pair.len);
	if (!colon || !text_is_clean(pair.data, pair.len))
		return error_set(err, ERR_USAGE, "the credentials are no NAME:PASSWORD");
	ret->name = xstrndup(pair.data, (size_t)(colon - pair.data));
	ret->password = xstrdup(colon + 1);
	explicit_bzero(pair.data, pair.len);
	return 0;
}
