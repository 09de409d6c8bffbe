/*
 * htpasswd.h - who may push: a file of names and bcrypt hashes, as htpasswd -B writes it.
 *
 * A hash is slow by intent (50 ms at cost 10), so a check has two halves.  htpasswd_look() knows
 * what was checked before and never waits; where it does not know, htpasswd_check() hashes, on a
 * worker.  HTPASSWD_AT_ONCE of these run at a time: a further one is told so, and its client to
 * come back, or guessing passwords would take all workers from the disk.  What is remembered is a
 * salted digest of the pair, not the password.
 *
 * The file is looked at again, once a second at most, and read when it has changed.  All functions
 * are thread-safe.
 */
#pragma once

#include <stddef.h>

#include "util/error.h"

#define HTPASSWD_FILE_MAX ((size_t)1024 * 1024) /* bytes: ten thousand names */
#define HTPASSWD_AT_ONCE  2u                    /* hashes at a time; a core each */
#define HTPASSWD_CACHE    256u                  /* pairs that are remembered, right and wrong */
/* Of bcrypt: 2^cost rounds.  More is seconds for each check; the lower bound is bcrypt's own. */
#define HTPASSWD_COST_MIN 4u
#define HTPASSWD_COST_MAX 14u
/* Characters: bcrypt looks at no more of a password (crypt(5)). */
#define HTPASSWD_PASSWORD_MAX 72u

struct htpasswd;

/*
 * ERR_USAGE with the file's name and the line's number: a hash of another kind (which is named),
 * a line without a colon, a name twice.  ERR_NOTFOUND, ERR_IO: it cannot be read.
 */
NODISCARD int htpasswd_open(const char *path, struct htpasswd **ret, struct error *err);
void htpasswd_free(struct htpasswd *h);
DEFINE_CLEANUP(struct htpasswd *, htpasswd_free);
/* Reads the file now.  What was there stays when it fails. */
NODISCARD int htpasswd_reload(struct htpasswd *h, struct error *err);

enum htpasswd_verdict {
	HTPASSWD_RIGHT,
	HTPASSWD_WRONG,   /* the password, or there is no such name: both take as long */
	HTPASSWD_UNKNOWN, /* of look: ask check, on a worker */
	HTPASSWD_BUSY,    /* of check: too many are being hashed */
};

enum htpasswd_verdict htpasswd_look(struct htpasswd *h, const char *name, const char *password);
/*
 * Blocks for as long as a hash takes.  When the file has changed and cannot be read any more,
 * trouble is set, once, and what was read before counts.
 */
enum htpasswd_verdict htpasswd_check(
	struct htpasswd *h, const char *name, const char *password, struct error *trouble);

struct basic_credentials {
	char *name, *password;
};
void basic_credentials_clear(struct basic_credentials *c);
/*
 * Of an Authorization field (RFC 7617).  Fails with ERR_USAGE: another scheme, no base64, no
 * colon, control characters.
 */
NODISCARD int basic_credentials_parse(
	const char *authorization, struct basic_credentials *ret, struct error *err);
