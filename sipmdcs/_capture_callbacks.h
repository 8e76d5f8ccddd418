/* What libca's threads do: append fixed rows to a ring, without Python and without its lock. Part of _capture.c.
 *
 * Layouts: struct connection_handler_args and event_handler_args of cadef.h, struct dbr_time_* of db_access.h
 * (EPICS Base 7.0); struct row is EVENT of sipmdcs/channels.py, struct entry is ENTRY of sipmdcs/channels_ca_ring_native.py.
 */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

enum { ECA_NORMAL = 1, ECA_DISCONN = 192, ECA_NORDACCESS = 368, CA_OP_CONN_UP = 6 };
enum { DBR_STRING, DBR_SHORT, DBR_FLOAT, DBR_ENUM, DBR_CHAR, DBR_LONG, DBR_DOUBLE, ONE_STRING, DBR_TIME = 14 };
enum { SCALAR, TEXT, ARRAY, TEXT_ARRAY, CONNECTED, DISCONNECTED, METADATA };
enum { DBR_CTRL_STRING = 28, DBR_CTRL_ENUM = 31, DBR_CTRL_DOUBLE = 34 };
enum { OF_METADATA = 32, OF_WRITABLE = 64 }; /* flags of entry.type */
enum { STATUS_READ = 1, STATUS_READ_ACCESS = 20, SEVERITY_INVALID = 3 };
enum { STRING_SIZE = 40 };
#define EPICS_EPOCH_S 631152000LL

struct connection_handler_args { void *chid; long op; };
struct event_handler_args { void *usr; void *chid; long type; long count; const void *dbr; int status; };

struct dbr_time { int16_t status; int16_t severity; uint32_t seconds; uint32_t nanoseconds; };
static const uint8_t value_offset[] = {12, 14, 12, 14, 15, 12, 16};
static const uint8_t value_size[] = {STRING_SIZE, 2, 4, 2, 1, 4, 8};

struct row {
    int64_t time_ns, received_ns;
    double value;
    uint32_t pv, payload;
    uint16_t status;
    uint8_t severity, kind;
};
_Static_assert(sizeof(struct row) == 40, "EVENT has 40 bytes");

/* Of one string: its bytes as count, ONE_STRING as type. Of metadata: the type of the PV with flags, and its elements. */
struct entry { uint64_t offset; uint32_t count, type; };
_Static_assert(sizeof(struct entry) == 16, "ENTRY has 16 bytes");

struct buffer { char *start; size_t used, room, limit; };
enum { ROWS, ENTRIES, DATA, BUFFERS };

struct ring;
struct slot {
    struct ring *ring;
    void *chid, *subscription;
    unsigned long count;
    uint32_t index;
    short type;
    uint8_t connected;
};

struct ring {
    pthread_mutex_t lock;
    struct buffer filling[BUFFERS];
    struct buffer spare[BUFFERS]; /* given back by Python: in a steady state no memory is asked for */
    uint64_t dropped;
    long mask;
    long enum_mask;     /* besides mask, of enumerations */
    int metadata;       /* whether each PV is asked what it is */
    int wake_fd;        /* readable while there is something to drain, or for ever once closed */
    int closed;
    uint32_t pv_count;
    struct slot *slots;
};

static void *(*ca_puser)(void *chid);
static short (*ca_field_type)(void *chid);
static unsigned long (*ca_element_count)(void *chid);
static int (*ca_create_subscription)(long type, unsigned long count, void *chid, long mask,
                                     void (*callback)(struct event_handler_args), void *user, void **subscription);
static int (*ca_clear_subscription)(void *subscription);
static int (*ca_array_get_callback)(long type, unsigned long count, void *chid,
                                    void (*callback)(struct event_handler_args), void *user);
static unsigned (*ca_write_access)(void *chid);
static int (*ca_create_channel)(const char *name, void (*handler)(struct connection_handler_args), void *user,
                                unsigned priority, void **chid);
static int (*ca_clear_channel)(void *chid);

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Room for size more bytes, NULL if the limit or the memory is used up. One item always fits an empty buffer. */
static char *reserve(struct buffer *buffer, size_t size) {
    size_t needed = buffer->used + size;
    if (needed > buffer->room) {
        if (needed > buffer->limit && buffer->used > 0)
            return NULL;
        size_t room = buffer->room * 2 > needed ? buffer->room * 2 : needed;
        if (room > buffer->limit)
            room = buffer->limit > needed ? buffer->limit : needed;
        char *start = realloc(buffer->start, room);
        if (start == NULL)
            return NULL;
        buffer->start = start;
        buffer->room = room;
    }
    return buffer->start + buffer->used;
}

/* Append one row and its payload of size bytes (none if payload is NULL); the newest is dropped when there is no room. */
static void append(struct ring *ring, struct row *row, const void *payload, size_t size, struct entry entry) {
    pthread_mutex_lock(&ring->lock);
    struct buffer *rows = &ring->filling[ROWS], *entries = &ring->filling[ENTRIES], *data = &ring->filling[DATA];
    struct row *place = ring->closed ? NULL : (struct row *)reserve(rows, sizeof *row);
    if (place != NULL && payload != NULL) {
        size_t padded = (size + 7) & ~(size_t)7; /* elements stay aligned */
        struct entry *next = (struct entry *)reserve(entries, sizeof entry);
        char *copy = next == NULL ? NULL : reserve(data, padded);
        if (copy == NULL) {
            place = NULL;
        } else {
            memcpy(copy, payload, size);
            entry.offset = data->used;
            *next = entry;
            data->used += padded;
            entries->used += sizeof entry;
            row->payload = (uint32_t)(entries->used / sizeof entry);
        }
    }
    if (place == NULL) {
        ring->dropped++;
    } else {
        *place = *row;
        rows->used += sizeof *row;
        if (rows->used == sizeof *row)
            eventfd_write(ring->wake_fd, 1);
    }
    pthread_mutex_unlock(&ring->lock);
}

static void on_event(struct event_handler_args args) {
    struct slot *slot = args.usr;
    struct entry entry = {0, 0, 0};
    struct row row;
    row.received_ns = now_ns();
    row.pv = slot->index;
    row.payload = 0;
    long type = args.type - DBR_TIME;
    if (args.status == ECA_DISCONN)
        return; /* the connection handler tells */
    if (args.status != ECA_NORMAL || args.dbr == NULL || type < DBR_STRING || type > DBR_DOUBLE ||
        (slot->count == 1 && args.count < 1)) {
        row.time_ns = row.received_ns;
        row.value = NAN;
        row.status = args.status == ECA_NORDACCESS ? STATUS_READ_ACCESS : STATUS_READ;
        row.severity = SEVERITY_INVALID;
        row.kind = SCALAR;
        append(slot->ring, &row, NULL, 0, entry);
        return;
    }
    const struct dbr_time *head = args.dbr;
    const char *value = (const char *)args.dbr + value_offset[type];
    row.time_ns = (head->seconds + EPICS_EPOCH_S) * 1000000000LL + head->nanoseconds;
    row.status = (uint16_t)head->status;
    row.severity = (uint8_t)head->severity;
    row.value = NAN;
    if (slot->count != 1) {
        size_t size = (size_t)args.count * value_size[type];
        row.kind = type == DBR_STRING ? TEXT_ARRAY : ARRAY;
        entry.count = (uint32_t)args.count;
        entry.type = (uint32_t)type;
        append(slot->ring, &row, value, size, entry);
        return;
    }
    row.kind = SCALAR;
    switch (type) {
    case DBR_STRING:
        row.kind = TEXT;
        entry.count = (uint32_t)strnlen(value, STRING_SIZE);
        entry.type = ONE_STRING;
        append(slot->ring, &row, value, entry.count, entry);
        return;
    case DBR_SHORT: { int16_t number; memcpy(&number, value, sizeof number); row.value = number; break; }
    case DBR_FLOAT: { float number; memcpy(&number, value, sizeof number); row.value = number; break; }
    case DBR_ENUM: { uint16_t number; memcpy(&number, value, sizeof number); row.value = number; break; }
    case DBR_CHAR: row.value = *(const uint8_t *)value; break;
    case DBR_LONG: { int32_t number; memcpy(&number, value, sizeof number); row.value = number; break; }
    default: memcpy(&row.value, value, sizeof row.value);
    }
    append(slot->ring, &row, NULL, 0, entry);
}

static long ctrl_type(long type) {
    return type == DBR_STRING ? DBR_CTRL_STRING : type == DBR_ENUM ? DBR_CTRL_ENUM : DBR_CTRL_DOUBLE;
}

static void on_metadata(struct event_handler_args args) {
    struct slot *slot = args.usr;
    struct row row = {.value = NAN, .pv = slot->index, .kind = METADATA};
    struct entry entry = {0, (uint32_t)slot->count, (uint32_t)slot->type | OF_METADATA};
    if (args.status == ECA_DISCONN)
        return;
    row.time_ns = row.received_ns = now_ns();
    if (ca_write_access(args.chid))
        entry.type |= OF_WRITABLE;
    /* METADATA_SIZE of sipmdcs/channels_ca_dbr.py */
    size_t size = slot->type == DBR_STRING ? 0 : slot->type == DBR_ENUM ? 422 : 80;
    int is_it = args.status == ECA_NORMAL && args.dbr != NULL && args.type == ctrl_type(slot->type) && args.count >= 1;
    append(slot->ring, &row, is_it ? args.dbr : NULL, size, entry);
}

static void on_connection(struct connection_handler_args args) {
    struct slot *slot = ca_puser(args.chid);
    struct ring *ring = slot->ring;
    struct entry none = {0, 0, 0};
    struct row row = {.value = NAN, .pv = slot->index, .kind = args.op == CA_OP_CONN_UP ? CONNECTED : DISCONNECTED};
    row.time_ns = row.received_ns = now_ns();
    __atomic_store_n(&slot->connected, row.kind == CONNECTED, __ATOMIC_RELAXED);
    append(ring, &row, NULL, 0, none);
    if (row.kind == DISCONNECTED)
        return;
    short type = ca_field_type(args.chid);
    unsigned long count = ca_element_count(args.chid);
    if (slot->subscription != NULL && (type != slot->type || count != slot->count)) {
        ca_clear_subscription(slot->subscription); /* libca would renew it with the old type */
        slot->subscription = NULL;
    }
    slot->type = type;
    slot->count = count;
    if (type < DBR_STRING || type > DBR_DOUBLE)
        return;
    if (ring->metadata) /* before the values: the answer comes first as well */
        ca_array_get_callback(ctrl_type(type), 1, args.chid, on_metadata, slot);
    if (slot->subscription == NULL)
        /* count 0: as many elements as there are now */
        ca_create_subscription(DBR_TIME + type, count == 1 ? 1 : 0, args.chid,
                               type == DBR_ENUM ? ring->mask | ring->enum_mask : ring->mask, on_event, slot,
                               &slot->subscription);
}
