/*
 * types.h - what each type of setting does: read a value, write it, free it.
 *
 * `base` is always the struct of the setting's section; the table says where in it.
 */
#pragma once

#include "config/settings.h"

struct reader {
	const char *file;      /* for messages */
	struct config *config; /* what is read so far: names of upstreams and targets */
};

/*
 * Reads the value into its field.  Fails with ERR_USAGE, "file:line:column: key: message".
 * Not for groups and sections, which are config.c's.
 */
NODISCARD int type_read(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err);

/* Frees what the field owns; groups and sections own nothing here. */
void type_clear(const struct setting *s, void *base);

/* Pointers and counts at an offset of a struct, without looking at their types. */
void *field_pointer(const void *base, size_t offset);
size_t field_count(const void *base, size_t offset);
void field_set_pointer(void *base, size_t offset, void *p);
void field_set_count(void *base, size_t offset, size_t n);
