// net/tools/counter_load.h: clients that increment counters all the time, know
// what each must be, and measure how long each request takes.
#ifndef QUORATE_NET_TOOLS_COUNTER_LOAD_H_
#define QUORATE_NET_TOOLS_COUNTER_LOAD_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/btree_set.h"
#include "env/time.h"

namespace quorate::net {

class CounterLoad {
 public:
  // The requests of all clients since the last Take.
  struct Seen {
    uint64_t requests = 0;
    uint64_t failed = 0;  // Errors, and wrong numbers.
    double seconds = 0;
    Duration p99 = {};
    Duration slowest = {};
    std::string first_failure = {};

    double per_second() const {
      return seconds > 0 ? static_cast<double>(requests) / seconds : 0;
    }
  };

  // Each client has a thread, counters of its own, and one connection at a
  // time, to one of the addresses of plain clients.
  CounterLoad(std::vector<std::string> addresses, uint32_t clients,
              uint32_t counters);
  // Stops the clients.
  ~CounterLoad();
  CounterLoad(const CounterLoad&) = delete;
  CounterLoad& operator=(const CounterLoad&) = delete;

  Seen Take();
  // Stops the clients and reads all counters. Returns how many are wrong. One
  // whose increment had no answer may have either value.
  uint64_t StopAndCheck();

 private:
  struct Client {
    uint32_t number = 0;
    std::vector<uint64_t> expected;
    absl::btree_set<uint32_t> uncertain;
    std::mutex lock;  // Guards the members below.
    std::vector<int64_t> latencies_ns;
    uint64_t failed = 0;
    std::string first_failure;
    std::thread thread;
  };

  void Run(Client* client);
  std::string KeyOf(const Client& client, uint32_t counter) const;
  static void Fail(Client* client, std::string why);
  void Stop();

  const std::vector<std::string> addresses_;
  const uint32_t counters_;
  std::atomic<bool> stops_ = false;
  MonoTime since_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_COUNTER_LOAD_H_
