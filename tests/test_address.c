/*
 * Addresses as options have them, and listening on them.
 */
#include "address.h"
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The address in its usual form, and its port. */
static void parsed(const char *text, char *host, size_t size, uint16_t *port)
{
    struct addrinfo *address = NULL;
    struct rk_error err = {0};
    char service[8];

    if (address_parse(text, &address, &err) != RK_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(getnameinfo(address->ai_addr, address->ai_addrlen, host, (socklen_t)size,
                                 service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV),
                     0);
    *port = (uint16_t)atoi(service);
    freeaddrinfo(address);
}

static void numeric_addresses_with_a_port_are_read(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080},
        {"0.0.0.0:1", "0.0.0.0", 1},
        {":65535", "0.0.0.0", 65535},
        {"10.1.2.3:0", "10.1.2.3", 0},
        {"[::1]:8080", "::1", 8080},
        {"[::]:80", "::", 80},
        {"[2001:db8::7]:443", "2001:db8::7", 443},
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char host[64];
        uint16_t port;
        parsed(good[i].text, host, sizeof host, &port);
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
}

static const char *const bad[] = {
    "",
    ":",
    "8080",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:http",
    "localhost:80",
    "127.0.0.1:-1",
    "127.0.0.1:+80",
    "127.0.0.1: 80",
    "127.0.0.1:80 ",
    "127.0.0.1:0x50",
    "127.0.0.1:65536",
    "127.0.0.1:65616",
    "127.0.0.1:4294967376",
    "256.0.0.1:80",
    "[::1]",
    "[::1:80",
    "::1]:80",
    "[]:80",
    "[127.0.0.1]:80",
    "[:80",
    "0000000000000000000000000000000000000000000000000000000000000000000000:80",
};

static void what_is_no_address_and_port_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct addrinfo *address = NULL;
        struct rk_error err = {0};
        if (address_parse(bad[i], &address, &err) != RK_INVALID) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
        assert_null(address);
        assert_true(strlen(err.text) > 0);
    }
}

static void ipv6_without_brackets_is_not_guessed_at(void **state)
{
    struct addrinfo *address = NULL;

    (void)state;
    assert_status(address_parse("::1:8080", &address, NULL), RK_INVALID);
    assert_status(address_parse("fe80::1", &address, NULL), RK_INVALID);
}

static void port_0_listens_on_a_free_port_and_tells_which(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    uint16_t port = 0;
    int fd, client;

    (void)state;
    assert_ok(address_listen("127.0.0.1:0", &fd, &port, NULL));
    assert_true(port > 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof to), 0);
    close(client);
    close(fd);
}

static void a_taken_port_is_told_apart_and_free_again_after_close(void **state)
{
    struct rk_error err = {0};
    char text[32];
    uint16_t port, other = 7;
    int fd, second = -7;

    (void)state;
    assert_ok(address_listen("127.0.0.1:0", &fd, &port, NULL));
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", (unsigned)port);
    assert_status(address_listen(text, &second, &other, &err), RK_BUSY);
    assert_non_null(strstr(err.text, text));
    assert_true(second == -7 && other == 7);
    close(fd);
    assert_ok(address_listen(text, &second, &other, NULL));
    assert_int_equal(other, port);
    close(second);
}

static void an_address_of_another_machine_cannot_be_listened_on(void **state)
{
    uint16_t port;
    int fd;

    (void)state;
    assert_status(address_listen("192.0.2.1:0", &fd, &port, NULL), RK_IO);
    assert_status(address_listen("nowhere", &fd, &port, NULL), RK_INVALID);
}

static void ipv6_is_listened_on_where_the_machine_has_it(void **state)
{
    uint16_t port = 0;
    int fd;

    (void)state;
    if (address_listen("[::1]:0", &fd, &port, NULL) != RK_OK) {
        print_message("skipped: no IPv6 here\n");
        skip();
    }
    assert_true(port > 0);
    close(fd);
}

static struct addrinfo *address_of(const char *text)
{
    struct addrinfo *address = NULL;
    assert_ok(address_parse(text, &address, NULL));
    return address;
}

static void only_this_machine_reaches_a_loopback_address(void **state)
{
    static const struct {
        const char *text;
        bool loopback;
    } cases[] = {{"127.0.0.1:1", true},
                 {"127.9.9.9:1", true},
                 {"[::1]:1", true},
                 {"[::ffff:127.0.0.1]:1", true},
                 {"0.0.0.0:1", false},
                 {":1", false},
                 {"[::]:1", false},
                 {"10.0.0.1:1", false},
                 {"128.0.0.1:1", false},
                 {"[fe80::1]:1", false},
                 {"[::ffff:10.0.0.1]:1", false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addrinfo *address = address_of(cases[i].text);
        if (address_is_loopback(address) != cases[i].loopback) {
            fail_msg("%s", cases[i].text);
        }
        freeaddrinfo(address);
    }
}

/* Are these the same peer? */
static bool same_peer(const char *a, const char *b)
{
    struct addrinfo *x = address_of(a), *y = address_of(b);
    const bool same = address_hash(x->ai_addr) == address_hash(y->ai_addr);
    freeaddrinfo(x);
    freeaddrinfo(y);
    return same;
}

static void a_peer_is_an_address_or_a_network_of_ipv6_whatever_its_port(void **state)
{
    (void)state;
    assert_true(same_peer("10.0.0.1:1", "10.0.0.1:2"));
    assert_false(same_peer("10.0.0.1:1", "10.0.0.2:1"));
    assert_true(same_peer("[2001:db8::1]:1", "[2001:db8::ffff:2]:9"));
    assert_false(same_peer("[2001:db8::1]:1", "[2001:db8:0:1::1]:1"));
    assert_true(same_peer("[::ffff:10.0.0.1]:1", "10.0.0.1:1"));
    assert_false(same_peer("[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.2]:1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric_addresses_with_a_port_are_read),
        cmocka_unit_test(what_is_no_address_and_port_is_refused),
        cmocka_unit_test(ipv6_without_brackets_is_not_guessed_at),
        cmocka_unit_test(port_0_listens_on_a_free_port_and_tells_which),
        cmocka_unit_test(a_taken_port_is_told_apart_and_free_again_after_close),
        cmocka_unit_test(an_address_of_another_machine_cannot_be_listened_on),
        cmocka_unit_test(ipv6_is_listened_on_where_the_machine_has_it),
        cmocka_unit_test(only_this_machine_reaches_a_loopback_address),
        cmocka_unit_test(a_peer_is_an_address_or_a_network_of_ipv6_whatever_its_port),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
