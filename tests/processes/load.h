// tests/processes/load.h: clients in threads that write to and read from real
// nodes, and record calls and results for the linearizability checker.
#ifndef QUORATE_TESTS_PROCESSES_LOAD_H_
#define QUORATE_TESTS_PROCESSES_LOAD_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lincheck/history.h"

namespace quorate::tests {

struct LoadOptions {
  // RESP addresses. A client that loses its connection uses the next address.
  std::vector<std::string> addresses;
  int clients = 8;
  int keys = 24;
  // Part of every key's name, so that histories with different prefixes share
  // no key.
  std::string prefix;
  uint64_t seed = 1;
};

// Each client sends one command at a time: SET of a value that was never
// written before, GET, and on every fourth key INCR. A command that was
// not executed is sent to another node. After a lost connection or
// UNKNOWN the operation has no end in the history.
class Load {
 public:
  explicit Load(const LoadOptions& options);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Ends all clients and returns the history. Called once.
  lincheck::History Stop();
  // Commands answered so far.
  uint64_t answered() const { return answered_.load(); }
  // A reply that no client should ever receive; empty if there was none.
  std::string complaint() const;

 private:
  class Client;

  const LoadOptions options_;
  std::atomic<bool> stopping_ = false;
  std::atomic<uint64_t> answered_ = 0;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::thread> threads_;
};

}  // namespace quorate::tests

#endif  // QUORATE_TESTS_PROCESSES_LOAD_H_
