/* A closed-loop HTTP/1.1 load generator for the lease API: one thread, epoll, kept connections.
 *
 * Each connection walks through a text of steps, `--once` and then `--loop` until the time is over:
 *   C  check out (remembers the lease)    H  heartbeat of that lease, or of one of --leases
 *   R  return that lease                  G  GET --path
 * A 409 at C is counted and C is asked again. With --retry a lost connection is opened anew and the same
 * request, with the same Idempotency-Key, sent again until it is answered: what a careful client does.
 * With --paced N the connections begin their steps evenly over N seconds, `--rounds` times through --loop,
 * and latency counts from the moment at which the step was due.
 *
 * --acked FILE gets a line for each answer that promises something, in the order of arrival:
 *   T key id        this idempotency key got this lease
 *   R id            this lease was returned
 * The result is one line of JSON on standard output. Latencies are of --loop only, in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 512 * 1024, MOST_CODES = 1024, ID = 36, RETRY_US = 20000 };

typedef struct {
    int fd, number;
    size_t step;           /* place in once+loop */
    unsigned long checkouts;
    char key[64], id[ID + 1];
    char *out;
    size_t out_length, out_sent;
    char *in;
    size_t in_length;
    uint64_t began, due;   /* when the request was (to be) sent; 0: nothing under way */
    uint64_t wake;         /* not before this moment; 0: at once */
    int done, connected;
} Connection;

static const char *host = "127.0.0.1", *token = "", *once = "", *loop_steps = "CR", *path = "/", *header = "";
static const char *known = "";
static char *codes[MOST_CODES];
static size_t code_count, codes_each = 1;
static int port, connections = 64, retry;
static double seconds = 5, paced;
static long rounds = 1;
static char (*leases)[ID + 1];
static size_t lease_count, next_lease;
static FILE *acked;
static int poller;
static uint64_t start, stop;
static char run_name[17];
static uint32_t *latencies;
static size_t latency_count, latency_room;
static unsigned long statuses[600], lost, unfinished;
static uint64_t random_state;

static void die(const char *what) { perror(what); exit(2); }

static uint64_t now(void) {
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (uint64_t)moment.tv_sec * 1000000 + (uint64_t)moment.tv_nsec / 1000;
}

static uint64_t random_number(void) { /* xorshift64 */
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static char step_of(const Connection *c) {
    size_t first = strlen(once);
    if (c->step < first) return once[c->step];
    return loop_steps[(c->step - first) % strlen(loop_steps)];
}

static int in_loop(const Connection *c) { return c->step >= strlen(once); }

static void note(uint64_t microseconds) {
    if (latency_count == latency_room) {
        latency_room = latency_room ? 2 * latency_room : 1 << 20;
        latencies = realloc(latencies, latency_room * sizeof *latencies);
        if (!latencies) die("memory");
    }
    latencies[latency_count++] = microseconds > UINT32_MAX ? UINT32_MAX : (uint32_t)microseconds;
}

static void open_connection(Connection *c) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) die("socket");
    inet_pton(AF_INET, host, &address.sin_addr);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) die("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event)) die("epoll");
    c->connected = 1;
    c->in_length = c->out_sent = 0;
}

static void watch(Connection *c, int writing) {
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static void write_checkout(Connection *c) {
    char body[BUFFER / 8];
    size_t n = (size_t)sprintf(body, "{\"modules\":[");
    size_t from = codes_each < code_count ? random_number() % code_count : 0;
    for (size_t i = 0; i < codes_each; i++)
        n += (size_t)sprintf(body + n, "%s\"%s\"", i ? "," : "", codes[(from + i) % code_count]);
    n += (size_t)sprintf(
        body + n,
        "],\"workstation\":\"PC-%05d\",\"user\":\"user.%05d\",\"program\":{\"name\":\"ERP\","
        "\"version\":\"2026.5.1\",\"built_on\":\"2026-09-01\"},\"known_grants\":{%s}}",
        c->number, c->number, known);
    sprintf(c->key, "%s-%d-%lu", run_name, c->number, c->checkouts);
    c->out_length = (size_t)sprintf(
        c->out,
        "POST /api/v1/leases HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
        "Content-Type: application/json\r\nIdempotency-Key: %s\r\nContent-Length: %zu\r\n\r\n%s",
        token, c->key, n, body);
}

static void write_request(Connection *c) {
    const char *id = c->id;
    switch (step_of(c)) {
    case 'C':
        write_checkout(c);
        return;
    case 'H':
        if (lease_count) id = leases[next_lease++ % lease_count];
        c->out_length = (size_t)sprintf(
            c->out,
            "POST /api/v1/leases/%s/heartbeat HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
            "Content-Length: 0\r\n\r\n", id, token);
        return;
    case 'R':
        c->out_length = (size_t)sprintf(
            c->out, "DELETE /api/v1/leases/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n",
            id, token);
        return;
    default:
        c->out_length = (size_t)sprintf(
            c->out, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n%s%s\r\n", path, token,
            header, *header ? "\r\n" : "");
    }
}

static void send_rest(Connection *c) {
    while (c->out_sent < c->out_length) {
        ssize_t sent = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN) watch(c, 1);
            return; /* anything worse is seen when reading */
        }
        c->out_sent += (size_t)sent;
    }
    watch(c, 0);
}

static void begin(Connection *c, uint64_t moment) {
    write_request(c);
    c->out_sent = 0;
    c->began = paced && c->due ? c->due : moment;
    c->wake = 0;
    if (!c->connected) open_connection(c);
    else send_rest(c);
}

/* Go on to the next step, or end. */
static void next(Connection *c, uint64_t moment) {
    c->began = 0;
    c->step++;
    if (paced) {
        size_t taken = c->step;
        if (taken >= strlen(once) + (size_t)rounds * strlen(loop_steps)) { c->done = 1; return; }
        c->due += (uint64_t)(paced * 1e6);
        if (c->due > moment) { c->wake = c->due; return; }
    } else if (moment >= stop) {
        c->done = 1;
        return;
    }
    begin(c, moment);
}

static void answered(Connection *c, int status, const char *body) {
    uint64_t moment = now();
    char step = step_of(c);
    statuses[status > 0 && status < 600 ? status : 0]++;
    if (in_loop(c) && (paced || moment <= stop)) note(moment - c->began);
    if (retry && status >= 500) { c->wake = moment + RETRY_US; return; }
    if (step == 'C') {
        const char *found = status == 201 ? strstr(body, "\"id\":") : NULL;
        if (found) found = strchr(found + 5, '"');
        c->checkouts++;
        if (!found) { /* refused: ask again, for another moment or another module */
            if (moment >= stop && !paced) { c->done = 1; c->began = 0; return; }
            if (paced) { next(c, moment); return; }
            begin(c, moment);
            return;
        }
        memcpy(c->id, found + 1, ID);
        if (acked) fprintf(acked, "T %s %s\n", c->key, c->id);
    } else if (step == 'R' && status == 204 && acked) {
        fprintf(acked, "R %s\n", c->id);
    }
    next(c, moment);
}

static void lose(Connection *c) {
    close(c->fd);
    c->connected = 0;
    c->in_length = 0;
    lost++;
    if (!retry) { c->done = 1; return; }
    c->wake = now() + RETRY_US;
}

/* Take one answer from what has come, if it is whole. */
static void parse(Connection *c) {
    c->in[c->in_length] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) return;
    int status = atoi(c->in + 9);
    size_t head = (size_t)(end - c->in) + 4, length = 0;
    char *field = strcasestr(c->in, "\r\ncontent-length:");
    if (field && field < end) length = strtoul(field + 17, NULL, 10);
    char *chunked = strcasestr(c->in, "\r\ntransfer-encoding: chunked");
    if (chunked && chunked < end) { /* nothing follows the answer: a connection has one request under way */
        if (c->in_length < head + 5 || memcmp(c->in + c->in_length - 5, "0\r\n\r\n", 5)) return;
    } else if (c->in_length < head + length) {
        return;
    }
    c->in_length = 0;
    answered(c, status, c->in + head);
}

static void read_some(Connection *c) {
    for (;;) {
        if (c->in_length >= BUFFER - 1) { lose(c); return; }
        ssize_t got = recv(c->fd, c->in + c->in_length, BUFFER - 1 - c->in_length, 0);
        if (got > 0) {
            c->in_length += (size_t)got;
            parse(c);
            return;
        }
        if (got < 0 && errno == EAGAIN) return;
        if (got < 0 && errno == EINTR) continue;
        lose(c);
        return;
    }
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t at(double share) {
    if (!latency_count) return 0;
    size_t place = (size_t)(share * (double)latency_count);
    return latencies[place < latency_count ? place : latency_count - 1];
}

static void report(double took) {
    qsort(latencies, latency_count, sizeof *latencies, ascending);
    printf("{\"requests\":%zu,\"seconds\":%.6f,\"p50\":%u,\"p90\":%u,\"p99\":%u,\"max\":%u,\"lost\":%lu,"
           "\"unfinished\":%lu,\"statuses\":{", latency_count, took, at(0.5), at(0.9), at(0.99),
           latency_count ? latencies[latency_count - 1] : 0, lost, unfinished);
    const char *comma = "";
    for (int status = 0; status < 600; status++)
        if (statuses[status]) {
            printf("%s\"%d\":%lu", comma, status, statuses[status]);
            comma = ",";
        }
    printf("}}\n");
}

static void read_leases(const char *name) {
    FILE *file = fopen(name, "r");
    char line[128];
    size_t room = 0;
    if (!file) die(name);
    while (fgets(line, sizeof line, file)) {
        if (strlen(line) < ID) continue;
        if (lease_count == room) {
            room = room ? 2 * room : 1024;
            leases = realloc(leases, room * sizeof *leases);
            if (!leases) die("memory");
        }
        memcpy(leases[lease_count], line, ID);
        leases[lease_count++][ID] = 0;
    }
    fclose(file);
}

static void read_codes(char *list) {
    for (char *code = strtok(list, ","); code && code_count < MOST_CODES; code = strtok(NULL, ","))
        codes[code_count++] = code;
}

static void read_options(int count, char **values) {
    static const struct option names[] = {
        {"host", 1, 0, 'h'}, {"port", 1, 0, 'p'}, {"token", 1, 0, 't'}, {"connections", 1, 0, 'c'},
        {"seconds", 1, 0, 's'}, {"codes", 1, 0, 'm'}, {"each", 1, 0, 'e'}, {"once", 1, 0, 'o'},
        {"loop", 1, 0, 'l'}, {"path", 1, 0, 'g'}, {"header", 1, 0, 'd'}, {"known", 1, 0, 'k'},
        {"leases", 1, 0, 'i'}, {"acked", 1, 0, 'a'}, {"retry", 0, 0, 'r'}, {"paced", 1, 0, 'P'},
        {"rounds", 1, 0, 'R'}, {0, 0, 0, 0}};
    int option;
    while ((option = getopt_long(count, values, "", names, NULL)) != -1) switch (option) {
        case 'h': host = optarg; break;
        case 'p': port = atoi(optarg); break;
        case 't': token = optarg; break;
        case 'c': connections = atoi(optarg); break;
        case 's': seconds = atof(optarg); break;
        case 'm': read_codes(optarg); break;
        case 'e': codes_each = (size_t)atoi(optarg); break;
        case 'o': once = optarg; break;
        case 'l': loop_steps = optarg; break;
        case 'g': path = optarg; break;
        case 'd': header = optarg; break;
        case 'k': known = optarg; break;
        case 'i': read_leases(optarg); break;
        case 'a': if (!(acked = fopen(optarg, "a"))) die(optarg); break;
        case 'r': retry = 1; break;
        case 'P': paced = atof(optarg); break;
        case 'R': rounds = atol(optarg); break;
        default: exit(2);
    }
}

static void name_the_run(void) {
    FILE *source = fopen("/dev/urandom", "r");
    if (!source || fread(&random_state, sizeof random_state, 1, source) != 1) die("/dev/urandom");
    fclose(source);
    random_state |= 1;
    sprintf(run_name, "%016llx", (unsigned long long)random_state);
}

static Connection *prepare(void) {
    Connection *all = calloc((size_t)connections, sizeof *all);
    if (!all) die("memory");
    for (int i = 0; i < connections; i++) {
        Connection *c = &all[i];
        c->number = i;
        c->out = malloc(BUFFER / 4);
        c->in = malloc(BUFFER);
        if (!c->out || !c->in) die("memory");
        if (paced) c->wake = c->due = start + (uint64_t)(paced * 1e6 * i / connections) + 1;
        else begin(c, start);
    }
    return all;
}

/* Begin what is due; give how many connections are still at work. */
static int attend(Connection *all, uint64_t moment) {
    int working = 0;
    for (int i = 0; i < connections; i++) {
        Connection *c = &all[i];
        if (c->done) continue;
        working++;
        if (!c->wake || c->wake > moment) continue;
        c->wake = 0;
        if (c->began) { /* the same request once more */
            c->out_sent = 0;
            if (!c->connected) open_connection(c);
            else send_rest(c);
        } else {
            begin(c, moment);
        }
    }
    return working;
}

int main(int count, char **values) {
    struct epoll_event events[256];
    read_options(count, values);
    if (!port || connections < 1) { fprintf(stderr, "--port and --connections\n"); return 2; }
    name_the_run();
    poller = epoll_create1(0);
    start = now();
    stop = start + (uint64_t)(seconds * 1e6);
    Connection *all = prepare();
    uint64_t patience = stop + (uint64_t)(paced * 1e6 * (double)(rounds + 2)) + 15000000, attended = 0;
    for (uint64_t moment = now(); moment < patience; moment = now()) {
        if (moment - attended >= 1000) {
            attended = moment;
            if (!attend(all, moment)) break;
        }
        int ready = epoll_wait(poller, events, 256, paced || retry ? 1 : 10);
        for (int i = 0; i < ready; i++) {
            Connection *c = events[i].data.ptr;
            if (c->connected && (events[i].events & EPOLLOUT)) send_rest(c);
            if (c->connected && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) read_some(c);
        }
    }
    double took = paced ? (double)(now() - start) / 1e6 : seconds;
    for (int i = 0; i < connections; i++) unfinished += !all[i].done;
    if (acked && fclose(acked)) die("acked");
    report(took);
    return 0;
}
