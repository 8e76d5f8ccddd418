/* Channel Access callbacks that never touch the interpreter.
 *
 * libca calls on_connection() and on_event() from its own threads. They append fixed rows to a ring and never take the
 * interpreter lock; Python takes the filled buffers over whole. Nothing of EPICS is needed to compile or link: the
 * addresses of five libca functions come in through bind(), those of the two callbacks go out through the ring.
 *
 * Layouts: struct connection_handler_args and event_handler_args of cadef.h, struct dbr_time_* of db_access.h
 * (EPICS Base 7.0); struct row is EVENT of sipmdcs/channels.py, struct entry is ENTRY of sipmdcs/channels_ca_ring.py.
 *
 * Life time: a slot address is the user pointer of a channel and of its subscription. ca_clear_channel() returns only
 * after callbacks of that channel have ended, so the owner clears every channel and then calls close(). A ring that was
 * never closed is never freed: libca may still hold its address.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { ECA_NORMAL = 1, ECA_DISCONN = 192, ECA_NORDACCESS = 368, CA_OP_CONN_UP = 6 };
enum { DBR_STRING, DBR_SHORT, DBR_FLOAT, DBR_ENUM, DBR_CHAR, DBR_LONG, DBR_DOUBLE, ONE_STRING, DBR_TIME = 14 };
enum { SCALAR, TEXT, ARRAY, TEXT_ARRAY, CONNECTED, DISCONNECTED };
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

/* Of one string: its bytes as count, ONE_STRING as type. */
struct entry { uint64_t offset; uint32_t count, type; };
_Static_assert(sizeof(struct entry) == 16, "ENTRY has 16 bytes");

struct buffer { char *start; size_t used, room, limit; };
enum { ROWS, ENTRIES, DATA, BUFFERS };

struct ring;
struct slot { struct ring *ring; void *subscription; unsigned long count; uint32_t index; short type; uint8_t connected; };

struct ring {
    PyObject_HEAD
    pthread_mutex_t lock;
    struct buffer filling[BUFFERS];
    struct buffer spare[BUFFERS]; /* given back by Python: in a steady state no memory is asked for */
    uint64_t dropped;
    long mask;
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

/* ---- the callbacks' side ---------------------------------------------------------------------------------------- */

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
    if (slot->subscription == NULL && type >= DBR_STRING && type <= DBR_DOUBLE)
        /* count 0: as many elements as there are now */
        ca_create_subscription(DBR_TIME + type, count == 1 ? 1 : 0, args.chid, ring->mask, on_event, slot,
                               &slot->subscription);
}

/* ---- memory handed to Python ------------------------------------------------------------------------------------- */

struct block { PyObject_HEAD struct ring *ring; struct buffer buffer; int kind; };

static int block_getbuffer(PyObject *self, Py_buffer *view, int flags) {
    struct buffer *buffer = &((struct block *)self)->buffer;
    return PyBuffer_FillInfo(view, self, buffer->start, (Py_ssize_t)buffer->used, 0, flags);
}

static void block_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    struct block *block = (struct block *)self;
    struct ring *ring = block->ring;
    pthread_mutex_lock(&ring->lock);
    struct buffer *spare = &ring->spare[block->kind];
    if (spare->start == NULL)
        *spare = block->buffer;
    else
        free(block->buffer.start);
    pthread_mutex_unlock(&ring->lock);
    Py_DECREF((PyObject *)ring);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot block_slots[] = {
    {Py_tp_doc, "Memory the callbacks filled, seen through the buffer protocol."},
    {Py_tp_dealloc, block_dealloc},
    {Py_bf_getbuffer, block_getbuffer},
    {0, NULL},
};
static PyType_Spec block_spec = {"sipmdcs._capture.Block", sizeof(struct block), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, block_slots};
static PyTypeObject *block_type;

static PyObject *new_block(struct ring *ring, int kind) {
    struct block *block = PyObject_New(struct block, block_type);
    if (block != NULL) {
        Py_INCREF((PyObject *)ring);
        block->ring = ring;
        block->kind = kind;
        memset(&block->buffer, 0, sizeof block->buffer);
    }
    return (PyObject *)block;
}

/* ---- Python's side ----------------------------------------------------------------------------------------------- */

static const size_t first_room[BUFFERS] = {1024 * sizeof(struct row), 1024 * sizeof(struct entry), 4096};

static int allocate(struct buffer *buffer, size_t room, size_t limit) {
    buffer->used = 0;
    buffer->room = room < limit ? room : limit;
    buffer->limit = limit;
    buffer->start = malloc(buffer->room);
    return buffer->start == NULL ? -1 : 0;
}

static PyObject *ring_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"pv_count", "capacity", "payload_bytes", "mask", NULL};
    unsigned int pv_count;
    Py_ssize_t capacity, payload_bytes;
    long mask;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Innl", names, &pv_count, &capacity, &payload_bytes, &mask))
        return NULL;
    if (ca_puser == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "bind() comes first");
        return NULL;
    }
    if (capacity < 1 || capacity > UINT32_MAX || payload_bytes < 1) {
        PyErr_SetString(PyExc_ValueError, "capacity and payload_bytes must be positive, capacity below 2**32");
        return NULL;
    }
    allocfunc new_object = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct ring *ring = (struct ring *)new_object(type, 0); /* zeroed */
    if (ring == NULL)
        return NULL;
    ring->closed = 1; /* until it can be used */
    ring->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ring->wake_fd < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(ring);
        return NULL;
    }
    pthread_mutex_init(&ring->lock, NULL);
    size_t limit[BUFFERS] = {(size_t)capacity * sizeof(struct row), (size_t)capacity * sizeof(struct entry),
                             (size_t)payload_bytes};
    ring->slots = calloc(pv_count ? pv_count : 1, sizeof(struct slot));
    int failed = ring->slots == NULL;
    for (int kind = 0; kind < BUFFERS; kind++)
        failed |= allocate(&ring->filling[kind], first_room[kind], limit[kind]);
    if (failed) {
        Py_DECREF(ring);
        return PyErr_NoMemory();
    }
    ring->mask = mask;
    ring->pv_count = pv_count;
    for (uint32_t index = 0; index < pv_count; index++) {
        ring->slots[index].ring = ring;
        ring->slots[index].index = index;
    }
    ring->closed = 0;
    return (PyObject *)ring;
}

static void ring_dealloc(PyObject *self) {
    struct ring *ring = (struct ring *)self;
    if (!ring->closed)
        return; /* libca may still call back: keep the memory for ever rather than crash */
    PyTypeObject *type = Py_TYPE(self);
    if (ring->wake_fd >= 0) {
        close(ring->wake_fd);
        pthread_mutex_destroy(&ring->lock);
    }
    for (int kind = 0; kind < BUFFERS; kind++) {
        free(ring->filling[kind].start);
        free(ring->spare[kind].start);
    }
    free(ring->slots);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *ring_drain(PyObject *self, PyObject *Py_UNUSED(none)) {
    struct ring *ring = (struct ring *)self;
    PyObject *blocks[BUFFERS] = {NULL};
    eventfd_t ignored;
    uint64_t dropped;
    for (int kind = 0; kind < BUFFERS; kind++)
        if ((blocks[kind] = new_block(ring, kind)) == NULL)
            goto failed;
    pthread_mutex_lock(&ring->lock);
    for (int kind = 0; kind < BUFFERS; kind++) {
        struct buffer *full = &ring->filling[kind], *spare = &ring->spare[kind];
        /* What came in now may come in again; what a burst needed long ago is given back. */
        size_t enough = full->used * 8 > first_room[kind] ? full->used * 8 : first_room[kind];
        if (spare->start != NULL && spare->room > enough) {
            free(spare->start);
            spare->start = NULL;
        }
        if (spare->start == NULL && allocate(spare, full->room < enough ? full->room : enough, full->limit))
            break;
    }
    int complete = 1;
    for (int kind = 0; kind < BUFFERS; kind++)
        complete &= ring->spare[kind].start != NULL;
    if (complete) {
        for (int kind = 0; kind < BUFFERS; kind++) {
            ((struct block *)blocks[kind])->buffer = ring->filling[kind];
            ring->filling[kind] = ring->spare[kind];
            ring->filling[kind].used = 0;
            ring->spare[kind].start = NULL;
        }
        dropped = ring->dropped;
        ring->dropped = 0;
        if (!ring->closed)
            eventfd_read(ring->wake_fd, &ignored);
    }
    pthread_mutex_unlock(&ring->lock);
    if (complete)
        return Py_BuildValue("NNNK", blocks[ROWS], blocks[ENTRIES], blocks[DATA], (unsigned long long)dropped);
    PyErr_NoMemory();
failed:
    for (int kind = 0; kind < BUFFERS; kind++)
        Py_XDECREF(blocks[kind]);
    return NULL;
}

static PyObject *ring_wait(PyObject *self, PyObject *argument) {
    struct ring *ring = (struct ring *)self;
    double timeout = PyFloat_AsDouble(argument);
    if (PyErr_Occurred())
        return NULL;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double deadline = now.tv_sec + now.tv_nsec * 1e-9 + timeout;
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        double left = ceil((deadline - (now.tv_sec + now.tv_nsec * 1e-9)) * 1e3);
        int milliseconds = left < 0 ? 0 : left > 86400e3 ? 86400000 : (int)left;
        struct pollfd wake = {.fd = ring->wake_fd, .events = POLLIN};
        int ready, error;
        Py_BEGIN_ALLOW_THREADS
        ready = poll(&wake, 1, milliseconds);
        error = errno;
        Py_END_ALLOW_THREADS
        if (ready < 0 && error == EINTR) {
            if (PyErr_CheckSignals())
                return NULL;
            continue;
        }
        if (ready < 0) {
            errno = error;
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (ready > 0 || milliseconds < 86400000)
            return PyBool_FromLong(ready > 0 && !__atomic_load_n(&ring->closed, __ATOMIC_RELAXED));
    }
}

static PyObject *ring_connected(PyObject *self, PyObject *Py_UNUSED(none)) {
    struct ring *ring = (struct ring *)self;
    PyObject *flags = PyBytes_FromStringAndSize(NULL, ring->pv_count);
    if (flags == NULL)
        return NULL;
    char *flag = PyBytes_AsString(flags);
    for (uint32_t index = 0; index < ring->pv_count; index++)
        flag[index] = (char)__atomic_load_n(&ring->slots[index].connected, __ATOMIC_RELAXED);
    return flags;
}

static PyObject *ring_close(PyObject *self, PyObject *Py_UNUSED(none)) {
    struct ring *ring = (struct ring *)self;
    pthread_mutex_lock(&ring->lock);
    __atomic_store_n(&ring->closed, 1, __ATOMIC_RELAXED);
    eventfd_write(ring->wake_fd, 1);
    pthread_mutex_unlock(&ring->lock);
    Py_RETURN_NONE;
}

static PyObject *ring_user(PyObject *self, PyObject *argument) {
    struct ring *ring = (struct ring *)self;
    unsigned long index = PyLong_AsUnsignedLong(argument);
    if (PyErr_Occurred())
        return NULL;
    if (index >= ring->pv_count) {
        PyErr_Format(PyExc_IndexError, "PV %lu of %u", index, ring->pv_count);
        return NULL;
    }
    return PyLong_FromVoidPtr(&ring->slots[index]);
}

static PyMethodDef ring_methods[] = {
    {"drain", ring_drain, METH_NOARGS, "Take over rows, payload entries, payload data and the number of dropped events."},
    {"wait", ring_wait, METH_O, "Wait until there is something to drain, at most so many seconds."},
    {"connected", ring_connected, METH_NOARGS, "One byte per PV, 1 if connected."},
    {"user", ring_user, METH_O, "User pointer for the channel of PV number index."},
    {"close", ring_close, METH_NOARGS, "Allow the memory to be freed; every channel must be cleared before."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot ring_slots[] = {
    {Py_tp_doc, "Where callbacks put events of pv_count PVs."},
    {Py_tp_new, ring_new},
    {Py_tp_dealloc, ring_dealloc},
    {Py_tp_methods, ring_methods},
    {0, NULL},
};
static PyType_Spec ring_spec = {"sipmdcs._capture.Ring", sizeof(struct ring), 0, Py_TPFLAGS_DEFAULT, ring_slots};

static PyObject *bind(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long address[5];
    if (!PyArg_ParseTuple(args, "KKKKK", &address[0], &address[1], &address[2], &address[3], &address[4]))
        return NULL;
    ca_puser = (void *(*)(void *))(uintptr_t)address[0];
    ca_field_type = (short (*)(void *))(uintptr_t)address[1];
    ca_element_count = (unsigned long (*)(void *))(uintptr_t)address[2];
    ca_create_subscription = (int (*)(long, unsigned long, void *, long, void (*)(struct event_handler_args), void *,
                                      void **))(uintptr_t)address[3];
    ca_clear_subscription = (int (*)(void *))(uintptr_t)address[4];
    return Py_BuildValue("KK", (unsigned long long)(uintptr_t)on_connection, (unsigned long long)(uintptr_t)on_event);
}

static PyMethodDef module_methods[] = {
    {"bind", bind, METH_VARARGS,
     "bind(ca_puser, ca_field_type, ca_element_count, ca_create_subscription, ca_clear_subscription): addresses of libca's\n"
     "functions in, addresses of the connection handler and the event handler out."},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "sipmdcs._capture", "Callbacks and ring of the capture.", -1,
                                    module_methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__capture(void) {
    PyObject *self = PyModule_Create(&module);
    block_type = (PyTypeObject *)PyType_FromSpec(&block_spec);
    PyObject *ring_type = PyType_FromSpec(&ring_spec);
    if (self == NULL || block_type == NULL || ring_type == NULL || PyModule_AddObjectRef(self, "Ring", ring_type) < 0)
        return NULL;
    Py_DECREF(ring_type);
    return self;
}
