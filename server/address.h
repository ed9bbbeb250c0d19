/*
 * "address:port" as options have it: numeric, "127.0.0.1:8080" or "[::1]:8080". An empty address is
 * all of IPv4's, "[::]" all there are.
 */
#ifndef RANKD_SERVER_ADDRESS_H
#define RANKD_SERVER_ADDRESS_H

#include <netdb.h>
#include <rankd/status.h>
#include <stdbool.h>
#include <stdint.h>

/** Parses one. @param address  out; freeaddrinfo it. @return RK_OK; RK_INVALID. */
RK_MUST_CHECK enum rk_status address_parse(const char *text, struct addrinfo **address,
                                           struct rk_error *err);

/**
 * Opens a listening socket on one: of our own rather than the HTTP library's, so that a taken port
 * is told apart from other failures.
 *
 * @param fd    out, close it.
 * @param port  out: the port, also where 0 asked for any.
 * @return RK_OK; RK_INVALID; RK_BUSY: the port is taken; RK_IO.
 */
RK_MUST_CHECK enum rk_status address_listen(const char *text, int *fd, uint16_t *port,
                                            struct rk_error *err);

/** Can only this machine reach it? */
bool address_is_loopback(const struct addrinfo *address);

/** A number for who is at the other side: of an IPv6 address its network (/64) counts. */
uint64_t address_hash(const struct sockaddr *address);

/**
 * Lets nobody new in at a listening socket: who asks from now on is not heard, who has asked before can
 * still be accepted. Closing it instead would reset those that nobody has accepted yet.
 */
void address_shut(int fd);

#endif
