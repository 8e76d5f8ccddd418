/* Channel Access callbacks that never touch the interpreter, and how Python takes over what they collected.
 *
 * libca calls on_connection() and on_event() (_capture_callbacks.h) from its own threads. Nothing of EPICS is needed to
 * compile or link: the addresses of nine libca functions come in through bind(), those of the two callbacks go out.
 *
 * Life time: a slot address is the user pointer of a channel and of its subscription. ca_clear_channel() returns only
 * after callbacks of that channel have ended; close() clears every channel that open() made. Both are called in the
 * context of libca that has the channels. A ring that was never closed is never freed: libca may still hold its address.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "_capture_callbacks.h"

struct ring_object { PyObject_HEAD struct ring ring; };

static struct ring *ring_of(PyObject *self) {
    return &((struct ring_object *)self)->ring;
}

/* ---- memory handed to Python ------------------------------------------------------------------------------------- */

struct block { PyObject_HEAD PyObject *owner; struct buffer buffer; int kind; };

static int block_getbuffer(PyObject *self, Py_buffer *view, int flags) {
    struct buffer *buffer = &((struct block *)self)->buffer;
    return PyBuffer_FillInfo(view, self, buffer->start, (Py_ssize_t)buffer->used, 0, flags);
}

static void block_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    struct block *block = (struct block *)self;
    struct ring *ring = ring_of(block->owner);
    pthread_mutex_lock(&ring->lock);
    struct buffer *spare = &ring->spare[block->kind];
    if (spare->start == NULL)
        *spare = block->buffer;
    else
        free(block->buffer.start);
    pthread_mutex_unlock(&ring->lock);
    Py_DECREF(block->owner);
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

static PyObject *new_block(PyObject *owner, int kind) {
    struct block *block = PyObject_New(struct block, block_type);
    if (block != NULL) {
        Py_INCREF(owner);
        block->owner = owner;
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
    static char *names[] = {"pv_count", "capacity", "payload_bytes", "mask", "enum_mask", "metadata", NULL};
    unsigned int pv_count;
    Py_ssize_t capacity, payload_bytes;
    long mask, enum_mask = 0;
    int metadata = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Innl|lp", names, &pv_count, &capacity, &payload_bytes, &mask,
                                     &enum_mask, &metadata))
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
    PyObject *self = new_object(type, 0); /* zeroed */
    if (self == NULL)
        return NULL;
    struct ring *ring = ring_of(self);
    ring->closed = 1; /* until it can be used */
    ring->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ring->wake_fd < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(self);
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
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    ring->mask = mask;
    ring->enum_mask = enum_mask;
    ring->metadata = metadata;
    ring->pv_count = pv_count;
    for (uint32_t index = 0; index < pv_count; index++) {
        ring->slots[index].ring = ring;
        ring->slots[index].index = index;
    }
    ring->closed = 0;
    return self;
}

static void ring_dealloc(PyObject *self) {
    struct ring *ring = ring_of(self);
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

enum { PRIORITIES = 100 }; /* of Channel Access */

static PyObject *ring_open(PyObject *self, PyObject *args) {
    struct ring *ring = ring_of(self);
    PyObject *names;
    unsigned int circuit;
    if (!PyArg_ParseTuple(args, "O!I", &PyTuple_Type, &names, &circuit))
        return NULL;
    if (PyTuple_Size(names) != (Py_ssize_t)ring->pv_count || circuit == 0 || ring->closed) {
        PyErr_SetString(PyExc_ValueError, "expected a name for each PV of an open ring, and PVs for a circuit");
        return NULL;
    }
    const char **text = malloc((ring->pv_count + 1) * sizeof *text); /* of strings that the tuple keeps */
    if (text == NULL)
        return PyErr_NoMemory();
    for (uint32_t index = 0; index < ring->pv_count; index++)
        if ((text[index] = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(names, index), NULL)) == NULL) {
            free(text);
            return NULL;
        }
    uint32_t made = 0;
    int status = ECA_NORMAL;
    Py_BEGIN_ALLOW_THREADS
    for (; made < ring->pv_count; made++) {
        struct slot *slot = &ring->slots[made];
        uint32_t priority = made / circuit % PRIORITIES; /* circuits differ by address and priority */
        status = ca_create_channel(text[made], on_connection, slot, priority, &slot->chid);
        if (status != ECA_NORMAL || slot->chid == NULL)
            break;
    }
    Py_END_ALLOW_THREADS
    free(text);
    return Py_BuildValue("Ii", made, status);
}

static PyObject *ring_drain(PyObject *self, PyObject *Py_UNUSED(none)) {
    struct ring *ring = ring_of(self);
    PyObject *blocks[BUFFERS] = {NULL};
    eventfd_t ignored;
    uint64_t dropped;
    for (int kind = 0; kind < BUFFERS; kind++)
        if ((blocks[kind] = new_block(self, kind)) == NULL)
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
    struct ring *ring = ring_of(self);
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
    struct ring *ring = ring_of(self);
    PyObject *flags = PyBytes_FromStringAndSize(NULL, ring->pv_count);
    if (flags == NULL)
        return NULL;
    char *flag = PyBytes_AsString(flags);
    for (uint32_t index = 0; index < ring->pv_count; index++)
        flag[index] = (char)__atomic_load_n(&ring->slots[index].connected, __ATOMIC_RELAXED);
    return flags;
}

static PyObject *ring_close(PyObject *self, PyObject *Py_UNUSED(none)) {
    struct ring *ring = ring_of(self);
    Py_BEGIN_ALLOW_THREADS
    for (uint32_t index = 0; index < ring->pv_count; index++)
        if (ring->slots[index].chid != NULL) {
            ca_clear_channel(ring->slots[index].chid);
            ring->slots[index].chid = NULL;
        }
    Py_END_ALLOW_THREADS
    pthread_mutex_lock(&ring->lock);
    __atomic_store_n(&ring->closed, 1, __ATOMIC_RELAXED);
    eventfd_write(ring->wake_fd, 1);
    pthread_mutex_unlock(&ring->lock);
    Py_RETURN_NONE;
}

static PyObject *ring_channel(PyObject *self, PyObject *argument) {
    struct ring *ring = ring_of(self);
    unsigned long index = PyLong_AsUnsignedLong(argument);
    if (PyErr_Occurred())
        return NULL;
    if (index >= ring->pv_count) {
        PyErr_Format(PyExc_IndexError, "PV %lu of %u", index, ring->pv_count);
        return NULL;
    }
    return PyLong_FromVoidPtr(ring->slots[index].chid);
}

static PyMethodDef ring_methods[] = {
    {"open", ring_open, METH_VARARGS,
     "open(names, circuit): look for the PVs, so many of them in each circuit to a server. Returns how many channels were\n"
     "made, less than all if the next name is impossible, and the status of libca."},
    {"drain", ring_drain, METH_NOARGS, "Take over rows, payload entries, payload data and the number of dropped events."},
    {"wait", ring_wait, METH_O, "Wait until there is something to drain, at most so many seconds."},
    {"connected", ring_connected, METH_NOARGS, "One byte per PV, 1 if connected."},
    {"channel", ring_channel, METH_O, "Identifier of the channel of PV number index."},
    {"close", ring_close, METH_NOARGS, "Clear all channels; events that were not drained are gone."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot ring_slots[] = {
    {Py_tp_doc, "Where callbacks put events of pv_count PVs."},
    {Py_tp_new, ring_new},
    {Py_tp_dealloc, ring_dealloc},
    {Py_tp_methods, ring_methods},
    {0, NULL},
};
static PyType_Spec ring_spec = {"sipmdcs._capture.Ring", sizeof(struct ring_object), 0, Py_TPFLAGS_DEFAULT, ring_slots};

static PyObject *bind(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long address[9];
    if (!PyArg_ParseTuple(args, "KKKKKKKKK", &address[0], &address[1], &address[2], &address[3], &address[4], &address[5],
                          &address[6], &address[7], &address[8]))
        return NULL;
    ca_puser = (void *(*)(void *))(uintptr_t)address[0];
    ca_field_type = (short (*)(void *))(uintptr_t)address[1];
    ca_element_count = (unsigned long (*)(void *))(uintptr_t)address[2];
    ca_create_subscription = (int (*)(long, unsigned long, void *, long, void (*)(struct event_handler_args), void *,
                                      void **))(uintptr_t)address[3];
    ca_clear_subscription = (int (*)(void *))(uintptr_t)address[4];
    ca_array_get_callback = (int (*)(long, unsigned long, void *, void (*)(struct event_handler_args), void *))(uintptr_t)
        address[5];
    ca_write_access = (unsigned (*)(void *))(uintptr_t)address[6];
    ca_create_channel = (int (*)(const char *, void (*)(struct connection_handler_args), void *, unsigned, void **))(uintptr_t)
        address[7];
    ca_clear_channel = (int (*)(void *))(uintptr_t)address[8];
    return Py_BuildValue("KK", (unsigned long long)(uintptr_t)on_connection, (unsigned long long)(uintptr_t)on_event);
}

static PyMethodDef module_methods[] = {
    {"bind", bind, METH_VARARGS,
     "bind(ca_puser, ca_field_type, ca_element_count, ca_create_subscription, ca_clear_subscription,\n"
     "ca_array_get_callback, ca_write_access, ca_create_channel, ca_clear_channel): addresses of libca's functions in,\n"
     "addresses of the connection handler and the event handler out."},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "sipmdcs._capture", "Callbacks and ring of the capture.", -1,
                                    module_methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__capture(void) {
    PyObject *self = PyModule_Create(&module);
    block_type = (PyTypeObject *)PyType_FromSpec(&block_spec);
    PyObject *ring_type = PyType_FromSpec(&ring_spec);
    if (self == NULL || block_type == NULL || ring_type == NULL || PyModule_AddObjectRef(self, "Ring", ring_type) < 0 ||
        PyModule_AddIntConstant(self, "INTERFACE", 3) < 0) /* of channels_ca_ring.py */
        return NULL;
    Py_DECREF(ring_type);
    return self;
}
