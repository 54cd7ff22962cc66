#include "sim/workload/operation_generator.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

using lincheck::Kv;

// The numbers of final operations come after those of all others.
constexpr uint64_t kNumbersPerClient = 100'000'000;
constexpr uint64_t kFirstFinal = kNumbersPerClient / 2;
// The first letter of keys that may expire.
constexpr char kExpiring = 't';

// A name with this begin and end whose slot is odd, or even.
std::string NameInSlots(const kv::SlotStrategy& slots, const std::string& begin,
                        const std::string& end, bool odd) {
  for (int number = 0;; ++number) {
    std::string name =
        number == 0 ? begin + end : absl::StrCat(begin, "_", number, end);
    if ((slots.SlotOf(name).value() % 2 == 1) == odd) return name;
  }
}

}  // namespace

ClientOperation OperationGenerator::Draw(uint64_t number, Random random,
                                         int64_t now_ms) {
  ClientOperation operation{.number = number, .random = random};
  if (options_.expiry && random.Below(6, "client.timed", 0, 0) == 0) {
    operation.expiry = DrawExpiryCommand(
        client_, DrawKey(kExpiring, number, random), now_ms,
        [random](Site site, uint64_t bound) {
          return random.Below(bound, site, 0, 0);
        },
        [&] { return NewText(number, random, /*list=*/true); });
    operation.call = {.client = client_, .key = operation.expiry->key};
  } else {
    operation.call = DrawCall(number, random);
  }
  if (operation.is_read()) {
    operation.stale =
        options_.stale_reads && random.Below(2, "client.stale", 0, 0) == 0;
    constexpr uint32_t kBounds[] = {0, 0, 5, 100, 2000};
    operation.bound_ms =
        kBounds[random.Below(std::size(kBounds), "client.bound", 0, 0)];
  } else if (!operation.expiry.has_value() &&
             operation.call.function == Kv::kSwap) {
    operation.form = static_cast<ClientOperation::SwapForm>(
        random.Below(4, "client.variant", 0, 0));
  }
  return operation;
}

ClientOperation OperationGenerator::ReadOf(const std::string& key,
                                           const Random& random) const {
  ClientOperation operation;
  operation.random = random;
  operation.call = {.client = client_, .key = key};
  if (key.starts_with(kExpiring)) {
    operation.expiry = ExpiryCommand{.client = client_, .key = key};
  }
  return operation;
}

ClientOperation OperationGenerator::ReadBack(
    const ClientOperation& write) const {
  return ReadOf(write.call.key, write.random.Fork("client.read_back", 0));
}

ClientOperation OperationGenerator::FinalRead(const std::string& key) {
  ClientOperation operation =
      ReadOf(key, random_.Fork("client.final", finals_++));
  operation.final = true;
  return operation;
}

ClientOperation OperationGenerator::FinalWrite(const std::string& key) {
  ClientOperation operation;
  operation.random = random_.Fork("client.final", finals_);
  operation.call = {.client = client_, .key = key};
  operation.call.function = Kv::kIncrement;
  operation.call.number = UniqueNumber(kFirstFinal + finals_++);
  operation.final = true;
  operation.final_write = true;
  return operation;
}

ClientCall OperationGenerator::DrawCall(uint64_t number, Random random) {
  const uint64_t kind = random.Below(10, "client.kind", 0, 0);
  const uint64_t action = random.Below(100, "client.action", 0, 0);
  ClientCall call{.client = client_};
  if (kind < 5) {
    call.key = DrawKey('r', number, random);
    static constexpr std::pair<uint64_t, Kv::Function> kActions[] = {
        {40, Kv::kGet},  {65, Kv::kPut},         {75, Kv::kSwap},
        {82, Kv::kCas},  {89, Kv::kPutIfExists}, {95, Kv::kDelete},
        {100, Kv::kTake}};
    for (const auto& [below, function] : kActions) {
      call.function = function;
      if (action < below) break;
    }
    call.expect_absent = call.function == Kv::kCas;
    const bool writes = call.function != Kv::kGet &&
                        call.function != Kv::kDelete &&
                        call.function != Kv::kTake;
    if (writes) call.text = NewText(number, random, /*list=*/false);
  } else if (kind < 7) {
    call.key = DrawKey('l', number, random);
    call.function = action < 40 ? Kv::kGet : Kv::kAppend;
    if (call.function == Kv::kAppend) {
      call.text = NewText(number, random, /*list=*/true);
    }
  } else {
    call.key = DrawKey('n', number, random);
    call.function = action < 35 ? Kv::kGet : Kv::kIncrement;
    // Increments are unique, so that a sum shows its parts.
    call.number = UniqueNumber(number);
  }
  return call;
}

std::string OperationGenerator::DrawKey(char kind, uint64_t number,
                                        Random random) const {
  const uint64_t epoch = number / options_.operations_per_epoch;
  uint64_t key = random.Below(options_.keys, "client.key", 0, 0);
  if (options_.hot_keys) key = random.Below(key + 1, "client.hot_key", 0, 0);
  const std::string name = absl::StrCat(std::string(1, kind), key, ".", epoch);
  // Keys that expire leave slots without a place in the log, so they have
  // slots of their own: the odd ones.
  const bool odd = kind == kExpiring;
  return options_.tags == 0
             ? NameInSlots(*options_.slots, name, "", odd)
             : NameInSlots(*options_.slots,
                           absl::StrCat(name, "{", key % options_.tags), "}",
                           odd);
}

std::string OperationGenerator::NewText(uint64_t number, Random random,
                                        bool list) const {
  std::string text = absl::StrCat("c", client_, ".", number);
  const bool large =
      !list && random.Chance(options_.large_value, "client.large", 0, 0);
  // Elements of a list differ in length. So the length of a list shows its
  // elements, and checking appends of unknown outcome stays cheap.
  const size_t size_max = list ? 40 : options_.value_bytes_max;
  const size_t padding = large
                             ? options_.large_value_bytes
                             : random.Below(size_max + 1, "client.size", 0, 0);
  text.reserve(text.size() + padding + 2);
  if (padding > 0) text.append(":").append(padding, 'x');
  if (list) text.push_back(';');
  return text;
}

int64_t OperationGenerator::UniqueNumber(uint64_t number) const {
  return static_cast<int64_t>(client_ * kNumbersPerClient + number);
}

}  // namespace quorate::sim
