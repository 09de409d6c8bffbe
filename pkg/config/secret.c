/*
 * secret.c - the value of a secret.
 *
 * A file's content and a variable's value are taken as they are: nothing is expanded in them.
 */
#include "config/secret.h"

#include <fcntl.h>

#include "util/buf.h"
#include "util/file.h"

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

static int read_secret_file(const char *path, struct buf *out, struct error *err)
{
	int rc = file_read(AT_FDCWD, path, out, err);

	if (rc == -ERR_NOMEM)
		return error_set(err, ERR_USAGE, "'%s' is larger than any secret", path);
	if (rc < 0) {
		/* A configuration that names what cannot be read is wrong, whatever the reason. */
		if (err)
			err->code = ERR_USAGE;
		return -ERR_USAGE;
	}
	/* Editors end a file with a newline, or with CR LF; no secret ends so. */
	if (out->len > 0 && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	if (out->len > 0 && out->data[out->len - 1] == '\r')
		out->data[--out->len] = '\0';
	if (strlen(buf_text(out)) != out->len)
		return error_set(err, ERR_USAGE, "'%s' has a NUL byte", path);
	return 0;
}

/* Appends the value of the variable at *s, which is just behind "${", and moves on behind "}". */
static int expand_variable(const char **s, struct buf *out, struct error *err)
{
	size_t len = strspn(*s, NAME_CHARS);
	AUTO_FREE char *name = strndup(*s, len);
	const char *value;

	if (!name)
		return error_set(err, ERR_NOMEM, "name of a variable");
	if (len == 0 || (*s)[len] != '}')
		return error_set(err, ERR_USAGE, "'${' without a variable's name and '}'");
	value = getenv(name);
	if (!value)
		return error_set(err, ERR_USAGE, "the environment variable '%s' is not set", name);
	*s += len + 1;
	return buf_puts(out, value, err);
}

/* "$${" comes first, or its "${" would be taken for a variable. */
static int expand_text(const char *s, struct buf *out, struct error *err)
{
	int rc = 0;

	while (rc == 0 && *s) {
		if (strncmp(s, "$${", 3) == 0) {
			rc = buf_puts(out, "${", err);
			s += 3;
		} else if (strncmp(s, "${", 2) == 0) {
			s += 2;
			rc = expand_variable(&s, out, err);
		} else {
			rc = buf_append(out, s++, 1, err);
		}
	}
	return rc;
}

int secret_expand(const char *text, char **ret, struct error *err)
{
	static const char scheme[] = "file:";
	AUTO(buf_clear) struct buf out = BUF_INIT(SECRET_MAX);
	int rc;

	if (strncmp(text, scheme, strlen(scheme)) == 0)
		rc = read_secret_file(text + strlen(scheme), &out, err);
	else
		rc = expand_text(text, &out, err);
	if (rc < 0)
		return rc;
	if (out.len == 0)
		return error_set(err, ERR_USAGE, "the secret is empty");
	*ret = buf_steal(&out);
	return 0;
}
