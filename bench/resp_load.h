// bench/resp_load.h: puts a workload on a RESP server over many connections:
// one thread, one epoll set.
#ifndef QUORATE_BENCH_RESP_LOAD_H_
#define QUORATE_BENCH_RESP_LOAD_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "bench/workload.h"

namespace quorate::bench {

// Connects to 127.0.0.1:port, runs the workload and waits for all replies.
// Returns an error if a connection cannot be made or breaks, or if no reply
// comes for 30 s; error replies are counted instead. A MOVED reply to another
// port of loopback is followed, as a cluster client would do. The request is
// sent again to that port, and its latency includes both tries.
absl::StatusOr<Measurement> RunRespLoad(uint16_t port,
                                        const Workload& workload);

// Sends one request, given as arguments separated by spaces. Returns the text
// of the reply; the text of an error begins with '-'.
absl::StatusOr<std::string> AskResp(uint16_t port, const std::string& request);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_RESP_LOAD_H_
