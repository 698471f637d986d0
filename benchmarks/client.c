/* The floor: what a plain-HTTP probe costs where nothing is done but the probe. No schedule of checks, no timing, no
 * judgement, no result.
 *
 *     client PORT RATE [SLICE_MS]
 *
 * Starts RATE probes a second at even distances, whatever becomes of those before: a new connection, the request, the
 * answer to its end, its status and length checked. One epoll loop. With SLICE_MS it looks at its sockets and its
 * schedule once in so many milliseconds, not as soon as something happens. A line on standard input is answered with one
 * line of JSON, its end ends the program.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define MOST 16384 /* descriptors */
#define EVENTS 256
#define ANSWER 4096 /* bytes that are kept of an answer */

struct probe {
    int length, sent;
    char answer[ANSWER];
};

static struct probe *probes[MOST];
static struct sockaddr_in there;
static int poller, port;
static uint64_t begun, done, failed;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static void end(int fd, int good) {
    close(fd);
    done++;
    failed += !good;
}

static void begin(void) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
    begun++;
    if (fd < 0 || fd >= MOST) return end(fd, 0);
    if (!probes[fd] && !(probes[fd] = malloc(sizeof(struct probe)))) die("malloc");
    probes[fd]->length = probes[fd]->sent = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&there, sizeof there) && errno != EINPROGRESS) return end(fd, 0);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static int ask(int fd) {
    char request[256];
    int size = snprintf(request, sizeof request,
                        "GET /%llu HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: client\r\nAccept: */*\r\n"
                        "Connection: close\r\n\r\n",
                        (unsigned long long)begun % 1000, port);
    probes[fd]->sent = 1;
    return send(fd, request, size, MSG_NOSIGNAL) == size;
}

/* 1: the whole answer, and the wanted one; 0: not all of it yet; -1: another one. */
static int judged(const struct probe *one) {
    const char *length, *body = strstr(one->answer, "\r\n\r\n");
    if (!body) return 0;
    if (strncmp(one->answer, "HTTP/1.1 200 ", 13) || !(length = strstr(one->answer, "Content-Length: "))) return -1;
    int missing = atoi(length + 16) - (one->length - (int)(body + 4 - one->answer));
    return missing > 0 ? 0 : missing < 0 ? -1 : 1;
}

static void look(int fd, uint32_t events) {
    struct probe *one = probes[fd];
    if (!one->sent && events & EPOLLOUT && !ask(fd)) return end(fd, 0);
    if (!(events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))) return;
    ssize_t got = recv(fd, one->answer + one->length, ANSWER - 1 - one->length, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return end(fd, 0);
    one->length += got;
    one->answer[one->length] = 0;
    int good = judged(one);
    if (good || one->length == ANSWER - 1) end(fd, good > 0);
}

static void asked(void) {
    char line[256];
    struct rusage used;
    if (read(0, line, sizeof line) <= 0) exit(0);
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"done\": %llu, \"failed\": %llu, \"cpu_ms\": %.5f}\n", (unsigned long long)done,
           (unsigned long long)failed, done ? cpu / done * 1e3 : 0);
    fflush(stdout);
}

static void serve(const struct timespec *wait) {
    struct epoll_event events[EVENTS];
    int ready = epoll_pwait2(poller, events, EVENTS, wait, NULL);
    for (int i = 0; i < ready; i++) {
        if (events[i].data.fd == 0) asked();
        else look(events[i].data.fd, events[i].events);
    }
}

static void sleep_until(int64_t when) {
    struct timespec at = {when / SECOND, when % SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {}
}

static void run(double rate, int64_t slice) {
    int64_t began = now_ns(), turn = began;
    struct timespec none = {0};
    for (;;) {
        int64_t now = now_ns(), next = began + begun / rate * SECOND;
        for (; next <= now; next = began + begun / rate * SECOND) begin();
        if (slice) {
            turn += slice;
            if (turn > now) sleep_until(turn);
            else turn = now;
            serve(&none);
        } else {
            int64_t left = next > now ? next - now : 0;
            struct timespec wait = {left / SECOND, left % SECOND};
            serve(&wait);
        }
    }
}

int main(int count, char **words) {
    if (count < 3) {
        fprintf(stderr, "usage: client PORT RATE [SLICE_MS]\n");
        return 2;
    }
    struct rlimit limit = {MOST, MOST};
    setrlimit(RLIMIT_NOFILE, &limit);
    port = atoi(words[1]);
    there = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0) die("epoll_create1");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = 0};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event)) die("epoll_ctl");
    run(atof(words[2]), count > 3 ? atof(words[3]) * 1e6 : 0);
}
