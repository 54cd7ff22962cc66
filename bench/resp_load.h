// bench/resp_load.h: puts a workload on a RESP server over many connections:
// one thread, one epoll set.
#ifndef QUORATE_BENCH_RESP_LOAD_H_
#define QUORATE_BENCH_RESP_LOAD_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "bench/workload.h"

namespace quorate::bench {

// Connects to 127.0.0.1:port, runs the workload and waits for all replies. Not
// OK when a connection cannot be made or breaks, or when replies stay out for
// 30 s; error replies are counted instead. A MOVED reply to another port of
// loopback is followed, as a cluster's client does: the request goes again
// there, and its latency runs on.
absl::StatusOr<Measurement> RunRespLoad(uint16_t port,
                                        const Workload& workload);

// Sends one request, as text with arguments between spaces, and returns the
// text of its reply, an error's with the leading '-'.
absl::StatusOr<std::string> AskResp(uint16_t port, const std::string& request);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_RESP_LOAD_H_
