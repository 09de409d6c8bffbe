/*
 * settings.h - the table of all settings: name, type, default, place in memory.
 *
 * The table drives everything that knows settings: reading (types.c), refusing
 * unknown keys, defaults, config_show(), freeing, and the check of the manual.
 *
 * A setting belongs to a section: the top of the file, or one entry of a list or
 * mapping of structs (a registry, an upstream, a mirror, a target, a rule).  Its
 * path is the section's prefix and its own key; a dot in the key is a group, a
 * mapping in the file that shares its section's struct ("spool.from").
 */
#pragma once

#include <stdint.h>

#include "config/config.h"
#include "config/yaml.h"

enum section_id {
	SECTION_TOP,
	SECTION_REGISTRY,
	SECTION_UPSTREAM,
	SECTION_MIRROR,
	SECTION_TARGET,
	SECTION_RULE,
	SECTION_KUBEADM,
	SECTION_MAX_
};

enum setting_type {
	SETTING_GROUP,     /* a mapping of settings of the same struct */
	SETTING_TAGS,      /* a group that may also be a list of literal tags */
	SETTING_SECTIONS,  /* entries, each with a struct of its own */
	SETTING_TEXT,      /* one text with a check: char * */
	SETTING_PROXY,     /* SETTING_TEXT, a URL whose user and password are not shown */
	SETTING_SECRET,    /* char *, expanded (secret.h) */
	SETTING_FILE,      /* char *, a readable file */
	SETTING_COUNT,     /* unsigned */
	SETTING_NUMBER,    /* double, thousandths */
	SETTING_SIZE,      /* uint64_t, bytes */
	SETTING_THRESHOLD, /* SETTING_SIZE or "never": then the bool at `also` is set */
	SETTING_DURATION,  /* uint64_t, milliseconds */
	SETTING_CHOICE, /* the number of a word of the type's text: bool, or unsigned for an enum */
	SETTING_TEXTS,  /* char **, the count at `also`; the check is for each of them */
	SETTING_PLATFORMS,
	SETTING_UPSTREAM, /* by name, kept as an index */
	SETTING_TARGETS,
	SETTING_IMMUTABLE,
	SETTING_SCHEDULE,
	SETTING_MAX_
};

/* What an empty text means; it is refused without one of these. */
enum setting_empty {
	EMPTY_REFUSED,
	EMPTY_NULL, /* none: a NULL pointer */
	EMPTY_TEXT, /* "" */
};

/* Says what is wrong with a text, without its place. */
typedef int text_check(const char *text, struct error *err);

struct setting {
	struct config_setting
		doc; /* path, type and default as the manual has them; no default: required */
	enum section_id section;
	enum setting_type type;
	size_t offset, size; /* of its field in the section's struct; size 0: it has none */
	size_t also;         /* offset of a second field: a list's count, and as the types say */
	uint64_t min, max;   /* of a number; of entries and targets: how many (0: any);
			      * of a choice: the last word that this version can do */
	text_check *check;
	enum setting_empty empty;
	enum section_id items; /* SETTING_SECTIONS: of what */
};

struct section {
	const char *prefix; /* of its settings' paths */
	const char *what;   /* for messages: "upstream" */
	size_t size;        /* of its struct */
	size_t name;        /* offset of the entry's name (char *) when entries are keyed by name */
	text_check *check_name; /* NULL: entries are a list */
};

const struct section *section_get(enum section_id id);

/* The settings, in the order of the file's documentation; NULL at the end. */
const struct setting *setting_at(size_t i);
/* The key within its section: "tags.latest". */
const char *setting_key(const struct setting *s);
/* The last part of the key: "latest". */
const char *setting_name(const struct setting *s);
/* True when s is directly in that group ("" or "tags.") of that section. */
bool setting_is_in(const struct setting *s, enum section_id section, const char *group);
/* "tags." for the group "tags"; the caller frees. */
char *setting_group(const struct setting *s) NODISCARD;

/*
 * Every key of a mapping must be a setting of that group and section.  Fails with
 * ERR_USAGE at the key: unknown, with what may have been meant, or of a later version.
 */
NODISCARD int settings_check_keys(const char *file, enum section_id section, const char *group,
	const struct yaml_node *map, struct error *err);

/* ERR_USAGE, "file:line:column: message". */
int setting_fail(const char *file, struct yaml_pos at, struct error *err, const char *fmt, ...)
	PRINTF(4, 5);

/* The one of names[n] that was probably meant by `name`, or NULL. */
const char *nearest_name(const char *name, const char *const *names, size_t n);

/*
 * The n-th word of "keep | rewrite" as text of *ret_len characters; NULL past the last.
 */
const char *choice_word(const char *choices, size_t n, size_t *ret_len);
