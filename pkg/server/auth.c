/*
 * auth.c - who asks, and whether they may: anybody pulls, known users push.
 *
 * Clients learn from /v2/ alone that there is something to log in to (guides/protocol.md 6.1), so
 * it asks for a password although pulls do not.  A client that has none sends an empty one then,
 * which is as good as none.  A wrong one is refused whatever it was sent for, so that its
 * user hears of it.
 */
#include "server/internal.h"
#include "util/mem.h"

static void challenge(struct exchange *x, const char *why)
{
	reply_header(x, "WWW-Authenticate", "Basic realm=\"regmirror\"");
	reply_error(x, API_UNAUTHORIZED, "%s", why);
}

/* No name was given, or proven. */
static void decide_anonymous(struct exchange *x)
{
	const struct server_options *options = &x->server->options;
	enum endpoint_access access = x->endpoint->access;

	if (x->server->htpasswd && access != ASK_PULL)
		challenge(x, "a user name and a password are needed");
	else if (!x->server->htpasswd && options->client_ca && access == ASK_PUSH)
		reply_error(x, API_DENIED, "a client certificate is needed");
	else
		x->known = true;
}

static void decide_named(struct exchange *x, char *name)
{
	x->who = name;
	x->known = true;
}

/* With now, HTPASSWD_UNKNOWN is no decision. */
static void decide_password(struct exchange *x, struct basic_credentials *c, bool now)
{
	AUTO(error_clear) struct error trouble = ERROR_INIT;
	struct htpasswd *h = x->server->htpasswd;
	enum htpasswd_verdict verdict = now ? htpasswd_look(h, c->name, c->password)
					    : htpasswd_check(h, c->name, c->password, &trouble);

	if (trouble.code != ERR_NONE)
		server_trouble(x->server, "users", &trouble);
	switch (verdict) {
	case HTPASSWD_RIGHT:
		decide_named(x, steal(&c->name));
		break;
	case HTPASSWD_WRONG:
		challenge(x, "the user name or the password is wrong");
		break;
	case HTPASSWD_BUSY:
		load_shed(x, "too many passwords are being checked");
		break;
	case HTPASSWD_UNKNOWN:
		break;
	}
}

void auth_decide(struct exchange *x, bool now)
{
	AUTO(basic_credentials_clear) struct basic_credentials c = {.name = NULL};
	const char *authorization = httpd_header(x->http, "Authorization");
	const char *certificate = httpd_client_name(x->http);

	if (certificate)
		decide_named(x, xstrdup(certificate));
	else if (!x->server->htpasswd || !authorization)
		decide_anonymous(x);
	else if (basic_credentials_parse(authorization, &c, NULL) < 0)
		challenge(x, "only Basic credentials are taken");
	else if (!*c.name && !*c.password)
		decide_anonymous(x);
	else
		decide_password(x, &c, now);
}
