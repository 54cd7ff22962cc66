// Settings of jemalloc, the allocator of quorated (docs/decisions/0023). A
// background thread returns freed memory to the system within seconds, so no
// turn of the loop waits for it.

extern "C" {
// Read by jemalloc before main.
extern const char* malloc_conf;
const char* malloc_conf =
    "background_thread:true,max_background_threads:1,dirty_decay_ms:2000,"
    "muzzy_decay_ms:0";
}
