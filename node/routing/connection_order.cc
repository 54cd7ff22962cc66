#include "node/routing/connection_order.h"

#include <cstring>
#include <initializer_list>
#include <new>
#include <utility>

#include "env/check.h"
#include "env/little_endian.h"

namespace quorate::node {
namespace {

using Request = ConnectionOrder::Request;
using State = ConnectionOrder::State;

constexpr uint8_t Set(std::initializer_list<State> states) {
  uint8_t set = 0;
  for (const State state : states) set |= 1 << static_cast<int>(state);
  return set;
}

// By state, in the order of the enum: the states that may follow.
constexpr uint8_t kNext[ConnectionOrder::kStates] = {
    Set({State::kIssued, State::kInBatch}),
    Set({State::kWaiting, State::kParked, State::kInPieces, State::kInBatch,
         State::kRefused}),
    Set({State::kIssued}),
    Set({State::kIssued}),
    Set({State::kSubmitted, State::kRefused}),
    Set({State::kInBatch, State::kRefused}),
    Set({}),
};

constexpr uint8_t kFirst =
    Set({State::kWaiting, State::kIssued, State::kInBatch});
constexpr uint8_t kAnswered =
    Set({State::kIssued, State::kInPieces, State::kInBatch, State::kSubmitted,
         State::kRefused});

bool Has(uint8_t set, State state) {
  return (set >> static_cast<int>(state) & 1) != 0;
}

constexpr size_t kSizeStep = 64;

void Pack(absl::Span<const std::string_view> arguments, char* out) {
  for (const std::string_view argument : arguments) {
    StoreFixed(out, static_cast<uint32_t>(argument.size()));
    out += sizeof(uint32_t);
    if (!argument.empty()) std::memcpy(out, argument.data(), argument.size());
    out += argument.size();
  }
}

std::string_view ArgumentAt(const char* packed) {
  return {packed + sizeof(uint32_t), LoadFixed<uint32_t>(packed)};
}

}  // namespace

ConnectionOrder::~ConnectionOrder() {
  while (first_ != nullptr) Unlink(*first_);
}

kv::CommandSpec Request::Command(
    std::vector<std::string_view>* arguments) const {
  arguments->clear();
  arguments->reserve(arguments_count);
  const char* at = packed();
  for (uint32_t i = 0; i < arguments_count; ++i) {
    arguments->push_back(ArgumentAt(at));
    at += sizeof(uint32_t) + arguments->back().size();
  }
  return {.op = op, .slot = slot, .numbers = numbers, .arguments = *arguments};
}

kv::SlotKey Request::FirstKey() const {
  return kv::KeyOf(op, slot, ArgumentAt(packed()));
}

Request& ConnectionOrder::Add(kv::RecordPool& pool,
                              absl::FunctionRef<Request()> make,
                              absl::Span<const std::string_view> arguments) {
  size_t size = 0;
  for (const std::string_view argument : arguments) {
    size += sizeof(uint32_t) + argument.size();
  }
  const bool inside = size <= kArgumentBytesMax;
  // Few sizes of blocks share the slabs of the pool.
  const size_t steps = inside ? (size + kSizeStep - 1) / kSizeStep : 0;
  const size_t block = sizeof(Request) + steps * kSizeStep;
  Request* const added = new (pool.Allocate(block)) Request(make());
  CHECK(Has(kFirst, added->state)) << static_cast<int>(added->state);
  added->arguments_count = static_cast<uint32_t>(arguments.size());
  added->arguments_bytes = static_cast<uint32_t>(size);
  if (inside) {
    Pack(arguments, reinterpret_cast<char*>(added + 1));
  } else {
    added->bytes =
        Buffer::Create(size, [arguments](char* out) { Pack(arguments, out); });
  }
  added->order = this;
  Request* before = last_;
  while (before != nullptr && before->token > added->token) {
    before = before->previous;
  }
  added->previous = before;
  added->next = before == nullptr ? first_ : before->next;
  (before == nullptr ? first_ : before->next) = added;
  (added->next == nullptr ? last_ : added->next->previous) = added;
  ++size_;
  Enter(*added);
  return *added;
}

void ConnectionOrder::Move(Request& request, State state) {
  CHECK(Has(kNext[Index(request.state)], state))
      << static_cast<int>(request.state) << " to " << static_cast<int>(state);
  Leave(request);
  request.state = state;
  Enter(request);
}

ConnectionOrder::Ended ConnectionOrder::End(Request& request) {
  CHECK(Has(kAnswered, request.state)) << static_cast<int>(request.state);
  CHECK(request.order == this);
  const Ended ended = {sink_, request.token, request.slot};
  Leave(request);
  Unlink(request);
  --size_;
  return ended;
}

void ConnectionOrder::Unlink(Request& request) {
  (request.previous == nullptr ? first_ : request.previous->next) =
      request.next;
  (request.next == nullptr ? last_ : request.next->previous) = request.previous;
  request.~Request();
  kv::RecordPool::Free(&request);
}

// `change`: 1 or -1.
void ConnectionOrder::Count(const Request& request, int change) {
  const auto add = static_cast<uint32_t>(change);
  counts_[Index(request.state)] += add;
  switch (request.state) {
    case State::kInBatch:
      in_batch_[request.redirect] += add;
      [[fallthrough]];
    case State::kSubmitted:
      result_bytes_ += change * static_cast<ptrdiff_t>(request.result_bytes);
      if (!request.write) return;
      writes_ += add;
      write_bytes_ += change * static_cast<ptrdiff_t>(request.encoded_bytes);
      return;
    case State::kParked:
      totals_->parked += add;
      if (request.result == nullptr) parked_without_result_ += add;
      return;
    case State::kRefused:
      totals_->refused += add;
      return;
    case State::kWaiting:
    case State::kIssued:
    case State::kInPieces:
      return;
  }
}

Request** ConnectionOrder::FirstIn(State state) {
  if (state == State::kWaiting) return &first_waiting_;
  return state == State::kParked ? &first_parked_ : nullptr;
}

void ConnectionOrder::Enter(Request& request) {
  Count(request, 1);
  Request** const first = FirstIn(request.state);
  if (first == nullptr) return;
  if (*first == nullptr || request.token < (*first)->token) *first = &request;
  // One of the same token may be the first one now.
  for (Request* at = request.next; at != nullptr && at->token == request.token;
       at = at->next) {
    if (at == *first) *first = &request;
  }
}

// Requests of one state are next to each other but for a few, so the walk is
// short.
void ConnectionOrder::Leave(Request& request) {
  Count(request, -1);
  Request** const first = FirstIn(request.state);
  if (first == nullptr || *first != &request) return;
  const bool more = count(request.state) > 0;
  *first = more ? NextIn(request.state, request) : nullptr;
}

Request* ConnectionOrder::NextWaiting(const Request& request) {
  return NextIn(State::kWaiting, request);
}

Request* ConnectionOrder::NextIn(State state, const Request& request) {
  Request* next = request.next;
  while (next != nullptr && next->state != state) next = next->next;
  return next;
}

bool ConnectionOrder::HasIssuedBefore(uint64_t token) const {
  for (const Request* at = first_; at != nullptr && at->token < token;
       at = at->next) {
    if (at->state == State::kIssued || at->state == State::kParked ||
        at->state == State::kInPieces) {
      return true;
    }
  }
  return false;
}

bool ConnectionOrder::SumsAgree() const {
  Totals totals;
  ConnectionOrder sums(sink_, &totals, group_);
  const Request* last = nullptr;
  for (Request* at = first_; at != nullptr; at = at->next) {
    if (at->previous != last || at->order != this) return false;
    if (last != nullptr && last->token > at->token) return false;
    last = at;
    ++sums.size_;
    sums.Enter(*at);
  }
  return last == last_ && sums.size_ == size_ && sums.counts_ == counts_ &&
         sums.in_batch_ == in_batch_ && sums.writes_ == writes_ &&
         sums.parked_without_result_ == parked_without_result_ &&
         sums.write_bytes_ == write_bytes_ &&
         sums.result_bytes_ == result_bytes_ &&
         sums.first_waiting_ == first_waiting_ &&
         sums.first_parked_ == first_parked_ &&
         totals.parked <= totals_->parked && totals.refused <= totals_->refused;
}

}  // namespace quorate::node
