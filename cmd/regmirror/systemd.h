/*
 * systemd.h - what a service tells systemd, and what it is given by it, without libsystemd.
 *
 * Both are plain protocols: sd_notify(3) "Notes", sd_listen_fds(3).  Outside of systemd all of it
 * does nothing.
 */
#pragma once

#include "util/error.h"

/* The socket that was handed over, or -1.  ERR_USAGE: more than one. */
NODISCARD int systemd_socket(int *ret_fd, struct error *err);

void systemd_ready(const char *status);
void systemd_reloading(void);
void systemd_stopping(void);
