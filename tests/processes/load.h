// tests/processes/load.h: clients in threads that write and read real nodes and
// record what they saw, for the linearizability checker.
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
  // RESP addresses; a client that loses one goes to the next.
  std::vector<std::string> addresses;
  int clients = 8;
  int keys = 24;
  // Part of every key's name: histories with different ones do not meet.
  std::string prefix;
  uint64_t seed = 1;
};

// Each client does one command at a time: SET of a value never written before,
// GET, and on every fourth key INCR. Errors that say "certainly not" are tried
// elsewhere; lost connections and UNKNOWN leave an operation without an end.
class Load {
 public:
  explicit Load(const LoadOptions& options);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Ends all clients and gives what they saw. Once.
  lincheck::History Stop();
  // Commands answered so far.
  uint64_t answered() const { return answered_.load(); }
  // Not empty: a reply that no client should ever see.
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
