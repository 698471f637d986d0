/* What all plain-HTTP checks are pointed at: answers at once, or exactly so many milliseconds after the request arrived.
 *
 *     target [--log FILE] [--every SECONDS] DELAY_MS...
 *
 * One listener on 127.0.0.1 for every delay (0: at once); their ports are the first line on standard output. A line on
 * standard input is answered with one line of JSON; its end ends the program. A request's number is that of its path,
 * "/17". One epoll loop. With --every it counts the requests that did not come: a number that was away for twice as long
 * has missed one.
 *
 * A delay counts from the instant at which the kernel received the request (SO_TIMESTAMPNS), so that this program's own
 * turn is no part of it. How far the answers were off nevertheless is in the report, and for each request in the log.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define EARLY 80000LL /* ns: the timer's own lateness; woken this much before, we look at the clock until it is time */
#define LISTENERS 16
#define EVENTS 64
#define HEAD 2048     /* bytes of a request */
#define NUMBERS 1048576
#define LATEST 200000 /* us: what is later is counted there */

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 12\r\n"
                             "Connection: close\r\n\r\nHello, world";

/* In the log, in this machine's byte order: struct "=IIqq". */
struct record {
    uint32_t number, delay_ms;
    int64_t arrived_ns, answered_ns; /* Unix */
};

struct connection {
    int length, listener;
    uint32_t number;
    int64_t arrived, due;
    char head[HEAD];
};

struct queue { /* descriptors of one listener, the next due first; a ring */
    int *fds;
    uint32_t from, to;
};

static struct {
    uint64_t requests, distinct, missed;
    int64_t first, last_new; /* Unix ns of the first request, and of the last with a number not seen before */
    uint32_t late[LATEST + 1];
    int64_t seen[NUMBERS]; /* Unix ns of the last request of a number */
} tally;

static struct connection **connections;
static struct queue queues[LISTENERS];
static int64_t delays[LISTENERS], every;
static int listeners[LISTENERS], listening, poller, timer;
static uint32_t most; /* descriptors, a power of two */
static FILE *record_file;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static void watch(int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static int listen_on(void) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0) die("socket");
    /* Connections inherit both. */
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) || listen(fd, 4096)) die("listen");
    watch(fd, EPOLLIN);
    return fd;
}

static int port_of(int fd) {
    struct sockaddr_in here;
    socklen_t size = sizeof here;
    if (getsockname(fd, (struct sockaddr *)&here, &size)) die("getsockname");
    return ntohs(here.sin_port);
}

/* From what is gone by since the last request of a number, what has not come. */
static void count(uint32_t number, int64_t arrived) {
    int64_t before = tally.seen[number];
    tally.seen[number] = arrived;
    if (!before) {
        tally.distinct++;
        tally.last_new = arrived;
    } else if (every && arrived - before > every + every / 2) {
        tally.missed += (arrived - before + every / 2) / every - 1;
    }
}

static void note(const struct connection *one, int64_t answered) {
    int64_t late = (answered - one->due) / 1000;
    if (!tally.requests++) tally.first = one->arrived;
    tally.late[late < 0 ? 0 : late > LATEST ? LATEST : late]++;
    if (one->number < NUMBERS) count(one->number, one->arrived);
    if (record_file) {
        struct record row = {one->number, delays[one->listener] / 1000000, one->arrived, answered};
        fwrite(&row, sizeof row, 1, record_file);
    }
}

static void answer(int fd) {
    struct connection *one = connections[fd];
    int64_t now = now_ns();
    if (send(fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) == sizeof ANSWER - 1) note(one, now);
    close(fd);
}

static void wake_at(int64_t when) {
    static int64_t set;
    struct itimerspec at = {.it_value = {when / SECOND, when % SECOND}};
    if (when == set) return;
    set = when;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Answers what is due, and sets the timer for what is next. */
static void answer_due(void) {
    int64_t next = 0;
    for (int i = 0; i < listening; i++) {
        struct queue *queue = &queues[i];
        while (queue->from != queue->to) {
            int fd = queue->fds[queue->from & (most - 1)];
            int64_t due = connections[fd]->due;
            if (due > now_ns() + EARLY) {
                if (!next || due < next) next = due;
                break;
            }
            while (now_ns() < due) {}
            queue->from++;
            answer(fd);
        }
    }
    if (next) wake_at(next - EARLY);
}

/* Requests are read in the order of epoll, which is not always that of their arrival. */
static void enqueue(int fd) {
    struct connection *one = connections[fd];
    struct queue *queue = &queues[one->listener];
    uint32_t place = queue->to++;
    for (; place != queue->from; place--) {
        int before = queue->fds[(place - 1) & (most - 1)];
        if (connections[before]->due <= one->due) break;
        queue->fds[place & (most - 1)] = before;
    }
    queue->fds[place & (most - 1)] = fd;
}

static int64_t stamp_of(struct msghdr *message) {
    for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each; each = CMSG_NXTHDR(message, each)) {
        if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec at;
            memcpy(&at, CMSG_DATA(each), sizeof at);
            return at.tv_sec * SECOND + at.tv_nsec;
        }
    }
    return now_ns();
}

static void serve(int fd) {
    struct connection *one = connections[fd];
    char space[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec rest = {one->head + one->length, HEAD - 1 - one->length};
    struct msghdr message = {.msg_iov = &rest, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    ssize_t got = recvmsg(fd, &message, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        close(fd);
        return;
    }
    one->length += got;
    one->head[one->length] = 0;
    if (!strstr(one->head, "\r\n\r\n")) {
        if (one->length == HEAD - 1) close(fd);
        return;
    }
    char *path = strchr(one->head, '/');
    one->number = path ? strtoul(path + 1, NULL, 10) : 0;
    one->arrived = stamp_of(&message);
    one->due = one->arrived + delays[one->listener];
    epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL); /* nothing more is wanted of it, not even its end */
    if (delays[one->listener]) enqueue(fd);
    else answer(fd);
}

static void take(int listener) {
    for (int i = 0; i < EVENTS; i++) {
        int fd = accept4(listeners[listener], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        if (!connections[fd] && !(connections[fd] = malloc(sizeof(struct connection)))) die("malloc");
        connections[fd]->length = 0;
        connections[fd]->listener = listener;
        watch(fd, EPOLLIN | EPOLLET);
        serve(fd); /* the request is often there already */
    }
}

static double share(double part) {
    uint64_t all = 0, seen = 0;
    for (int i = 0; i <= LATEST; i++) all += tally.late[i];
    for (int i = 0; i <= LATEST; i++) {
        seen += tally.late[i];
        if (seen && seen >= part * all) return i;
    }
    return 0;
}

/* All counts since the start; lateness since the report before. */
static void report(void) {
    if (record_file) fflush(record_file);
    printf("{\"requests\": %llu, \"distinct\": %llu, \"missed\": %llu, \"first_ns\": %lld, \"last_new_ns\": %lld, "
           "\"late_p50_us\": %.0f, \"late_p99_us\": %.0f, \"late_max_us\": %.0f}\n",
           (unsigned long long)tally.requests, (unsigned long long)tally.distinct, (unsigned long long)tally.missed,
           (long long)tally.first, (long long)tally.last_new, share(0.5), share(0.99), share(1));
    fflush(stdout);
    memset(tally.late, 0, sizeof tally.late);
}

static void asked(void) {
    char line[256];
    if (read(0, line, sizeof line) <= 0) exit(0);
    report();
}

static void turn(int fd) {
    uint64_t ticks;
    if (fd == 0) return asked();
    if (fd == timer) {
        if (read(timer, &ticks, sizeof ticks) < 0) return;
        return;
    }
    for (int i = 0; i < listening; i++)
        if (fd == listeners[i]) return take(i);
    serve(fd);
}

static void raise_limits(void) {
    struct rlimit limit;
    /* In earnest the target has a machine of its own. Where it is not allowed we go on without. */
    struct sched_param first = {.sched_priority = 1};
    sched_setscheduler(0, SCHED_FIFO, &first);
    if (getrlimit(RLIMIT_NOFILE, &limit)) die("getrlimit");
    if (limit.rlim_max > NUMBERS) limit.rlim_max = NUMBERS;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (most = 1024; most < limit.rlim_max; most *= 2) {}
    if (!(connections = calloc(most, sizeof *connections))) die("calloc");
}

static void open_all(int count, char **words) {
    if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0) die("epoll_create1");
    if ((timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)) < 0) die("timerfd_create");
    watch(timer, EPOLLIN);
    watch(0, EPOLLIN);
    for (; listening < count && listening < LISTENERS; listening++) {
        delays[listening] = atof(words[listening]) * 1e6;
        listeners[listening] = listen_on();
        if (!(queues[listening].fds = calloc(most, sizeof(int)))) die("calloc");
        printf("%s%d", listening ? " " : "", port_of(listeners[listening]));
    }
    printf("\n");
    fflush(stdout);
}

int main(int count, char **words) {
    struct epoll_event events[EVENTS];
    for (; count > 2 && words[1][0] == '-'; words += 2, count -= 2) {
        if (!strcmp(words[1], "--every")) every = atof(words[2]) * SECOND;
        else if (strcmp(words[1], "--log") || !(record_file = fopen(words[2], "wb"))) die(words[2]);
    }
    if (count < 2) {
        fprintf(stderr, "usage: target [--log FILE] [--every SECONDS] DELAY_MS...\n");
        return 2;
    }
    if (record_file) setvbuf(record_file, NULL, _IOFBF, 1 << 20);
    raise_limits();
    open_all(count - 1, words + 1);
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            turn(events[i].data.fd);
            answer_due();
        }
    }
}
