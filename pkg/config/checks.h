/*
 * checks.h - what makes the text of a setting right, one function for each kind.
 *
 * All fail with ERR_USAGE and say what is wrong, without the place, which their
 * caller knows.  None looks at anything but the text.
 */
#pragma once

#include "util/error.h"

NODISCARD int check_path(const char *text, struct error *err);
NODISCARD int check_proxy(const char *text, struct error *err);
NODISCARD int check_bypass(const char *text, struct error *err);
NODISCARD int check_address(const char *text, struct error *err); /* IPv4 or IPv6 */
NODISCARD int check_listen(const char *text, struct error *err);  /* an address and a port */
NODISCARD int check_name(const char *text, struct error *err);    /* of an upstream, target, rule */
NODISCARD int check_host(const char *text, struct error *err);    /* host[:port] */
NODISCARD int check_source(const char *text, struct error *err);  /* host[:port][/prefix] */
NODISCARD int check_repository(const char *text, struct error *err); /* also a target's prefix */
NODISCARD int check_rename(const char *text, struct error *err);
NODISCARD int check_glob(const char *text, struct error *err);
NODISCARD int check_regex(const char *text, struct error *err); /* for tags */
NODISCARD int check_semver(const char *text, struct error *err);
NODISCARD int check_chain(const char *text, struct error *err); /* its form, not the names in it */
NODISCARD int check_tag(const char *text, struct error *err);

/*
 * The next entry of a chain ("a , b | off"), without the blanks around it; NULL: there is none.
 * *text moves on behind it.
 */
const char *chain_next(const char **text, size_t *ret_len);

#define RENAME_PLACE "{repository}" /* the one placeholder of `rename` */
/* `pattern` with the repository put in its place; the caller frees. */
char *rename_apply(const char *pattern, const char *repository) NODISCARD;
