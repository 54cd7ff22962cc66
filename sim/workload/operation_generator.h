// sim/workload/operation_generator.h: draws the operations of one simulated
// client.
//
// There are four kinds of keys: registers ("r…"), lists to append to ("l…"),
// counters ("n…") and keys that may expire ("t…"). Each written value is
// unique.
#ifndef QUORATE_SIM_WORKLOAD_OPERATION_GENERATOR_H_
#define QUORATE_SIM_WORKLOAD_OPERATION_GENERATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "env/random.h"
#include "kv/slots/slot_strategy.h"
#include "sim/workload/operation.h"

namespace quorate::sim {

struct OperationOptions {
  // The number of keys of each kind that are in use at a time.
  uint32_t keys = 6;
  // If not 0: keys have one of this number of hash tags, so that many share a
  // slot.
  uint32_t tags = 0;
  // How the cluster divides its keys.
  std::shared_ptr<const kv::SlotStrategy> slots = kv::MakeSlotStrategy({});
  bool hot_keys = false;  // Some keys are used far more often than others.
  // After this number of its own operations a client uses new keys.
  uint32_t operations_per_epoch = 150;
  // Some reads go to any node, like those of a cluster client on a READONLY
  // connection.
  bool stale_reads = false;
  bool expiry = true;  // Uses keys that may expire.
  size_t value_bytes_max = 200;
  Ratio large_value{1, 16};
  size_t large_value_bytes = 6000;
};

class OperationGenerator {
 public:
  // `random` decides about final operations alone.
  OperationGenerator(uint32_t client, const OperationOptions& options,
                     const Random& random)
      : client_(client), options_(options), random_(random) {}

  // The operation of this number, drawn from `random`. `now_ms` is about the
  // current Unix time.
  ClientOperation Draw(uint64_t number, Random random, int64_t now_ms);
  // A read of the key that the operation wrote.
  ClientOperation ReadBack(const ClientOperation& write) const;
  // Final operations: they are tried until they succeed.
  ClientOperation FinalRead(const std::string& key);
  ClientOperation FinalWrite(const std::string& key);

 private:
  ClientOperation ReadOf(const std::string& key, const Random& random) const;
  ClientCall DrawCall(uint64_t number, Random random);
  // A key of the kind that the letter names.
  std::string DrawKey(char kind, uint64_t number, Random random) const;
  std::string NewText(uint64_t number, Random random, bool list) const;
  // A number that no other operation of any client adds.
  int64_t UniqueNumber(uint64_t number) const;

  const uint32_t client_;
  const OperationOptions options_;
  const Random random_;
  uint64_t finals_ = 0;  // Final operations so far.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_OPERATION_GENERATOR_H_
