// bench/etcd_load.h: puts a workload on an etcd server over gRPC: one
// completion queue, one thread, several channels.
#ifndef QUORATE_BENCH_ETCD_LOAD_H_
#define QUORATE_BENCH_ETCD_LOAD_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/workload.h"

namespace grpc {
class Channel;
}

namespace quorate::bench {

using EtcdChannels = std::vector<std::shared_ptr<grpc::Channel>>;

// `count` channels to 127.0.0.1:port, each with a TCP connection of its own.
EtcdChannels OpenEtcdChannels(uint16_t port, int count);

// Runs the workload over the channels, round robin, with connections * pipeline
// calls outstanding. GET is a linearizable Range. Returns an error if no call
// completes for 30 s; failed calls are counted instead.
absl::StatusOr<Measurement> RunEtcdLoad(const EtcdChannels& channels,
                                        const Workload& workload);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ETCD_LOAD_H_
