// How the allocator of quorated, jemalloc, returns memory to the system
// (docs/decisions/0023): a thread of its own does it within seconds after the
// memory was freed, so that no turn of the loop waits for it.

extern "C" {
// Read by jemalloc before main.
extern const char* malloc_conf;
const char* malloc_conf =
    "background_thread:true,max_background_threads:1,dirty_decay_ms:5000,"
    "muzzy_decay_ms:0";
}
