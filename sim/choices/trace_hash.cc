#include "sim/choices/trace_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdio>
#include <initializer_list>
#include <utility>

#include "env/check.h"
#include "env/random.h"
#include "sim/choices/hash_avx2.h"

namespace quorate::sim {

std::string Hash128::ToString() const {
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx",
                static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text;
}

uint64_t HashBytes(std::string_view bytes) {
  // XXH3 uses wide instructions for long inputs only.
  constexpr size_t kLong = 240;
  if (bytes.size() > kLong && HasAvx2()) return HashBytesByAvx2(bytes);
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string_view TraceKindName(TraceKind kind) {
  switch (kind) {
    case TraceKind::kBoot:
      return "boot";
    case TraceKind::kCrash:
      return "crash";
    case TraceKind::kTimer:
      return "timer";
    case TraceKind::kMessage:
      return "message";
    case TraceKind::kDiskIssue:
      return "disk_issue";
    case TraceKind::kDiskCompletion:
      return "disk_completion";
    case TraceKind::kStreamBytes:
      return "stream_bytes";
    case TraceKind::kStreamEvent:
      return "stream_event";
    case TraceKind::kConnect:
      return "connect";
    case TraceKind::kLaneReady:
      return "lane_ready";
    case TraceKind::kNote:
      return "note";
    case TraceKind::kFault:
      return "fault";
    case TraceKind::kMark:
      return "mark";
    case TraceKind::kPoint:
      return "point";
    case TraceKind::kPlan:
      return "plan";
    case TraceKind::kDeed:
      return "deed";
    case TraceKind::kPartitionBegins:
      return "partition_begins";
    case TraceKind::kPartitionEnds:
      return "partition_ends";
    case TraceKind::kLead:
      return "lead";
  }
  return "invalid";
}

namespace {

// A bit for each kind.
constexpr uint64_t SetOf(std::initializer_list<TraceKind> kinds) {
  static_assert(kTraceKinds <= 64);
  uint64_t set = 0;
  for (const TraceKind kind : kinds) set |= 1ULL << static_cast<size_t>(kind);
  return set;
}

constexpr bool IsIn(uint64_t set, TraceKind kind) {
  return (set >> static_cast<size_t>(kind) & 1) != 0;
}

// An event of these kinds runs a program, and so causes others.
constexpr uint64_t kRunsCode = SetOf(
    {TraceKind::kBoot, TraceKind::kTimer, TraceKind::kMessage,
     TraceKind::kDiskCompletion, TraceKind::kStreamBytes,
     TraceKind::kStreamEvent, TraceKind::kConnect, TraceKind::kLaneReady});

constexpr uint64_t kInStory = SetOf(
    {TraceKind::kBoot, TraceKind::kCrash, TraceKind::kPlan, TraceKind::kDeed,
     TraceKind::kPartitionBegins, TraceKind::kPartitionEnds, TraceKind::kLead});

}  // namespace

std::string TraceRecord::ToString() const {
  char text[128];
  std::snprintf(text, sizeof(text), "t=%lld.%09lld m%u %s %016llx",
                static_cast<long long>(time.ns() / 1'000'000'000),
                static_cast<long long>(time.ns() % 1'000'000'000),
                machine.value(), std::string(TraceKindName(kind)).c_str(),
                static_cast<unsigned long long>(payload));
  std::string line = text;
  if (cause != 0) line += " <-" + std::to_string(cause);
  if (!detail.empty()) line += " " + detail;
  return line;
}

void TraceHash::Append(SimTime time, MachineId machine, TraceKind kind,
                       uint64_t payload) {
  // For a given event each half is a bijection of its old value, so a
  // difference never disappears.
  const uint64_t who =
      uint64_t{machine.value()} << 8 | static_cast<uint64_t>(kind);
  const uint64_t event =
      Mix64(static_cast<uint64_t>(time.ns()) * 0x9e3779b97f4a7c15ULL ^ who) +
      payload;
  low_ = Mix64(low_ ^ event) + count_;
  high_ = Mix64(high_ + (event ^ 0xa4093822299f31d0ULL));
  ++count_;
  ++counts_[static_cast<size_t>(kind)];
  if (follows_) Follow(machine, kind, event);
  if (keep_ || IsIn(kInStory, kind)) Keep(time, machine, kind, payload);
  if (IsIn(kRunsCode, kind)) cause_ = count_;
}

void TraceHash::Follow(MachineId machine, TraceKind kind, uint64_t event) {
  if (kind == TraceKind::kFault) return;
  if (histories_.size() <= machine.value()) {
    histories_.resize(machine.value() + 1);
  }
  uint64_t& history = histories_[machine.value()];
  if (kind == TraceKind::kCrash) history = 0;
  history = Mix64(history ^ event) + 1;
}

void TraceHash::Add(SimTime time, MachineId machine, TraceKind kind,
                    uint64_t payload) {
  Append(time, machine, kind, payload);
  if (IsIn(kInStory, kind) && story_hook_) story_hook_(story_.back());
}

void TraceHash::Keep(SimTime time, MachineId machine, TraceKind kind,
                     uint64_t payload) {
  const TraceRecord record = {time, machine, kind, payload, cause_, {}};
  if (keep_) records_.push_back(record);
  if (IsIn(kInStory, kind)) story_.push_back(record);
}

void TraceHash::AddNamed(SimTime time, MachineId machine, TraceKind kind,
                         std::string_view name) {
  const uint64_t hash = HashBytes(name);
  Add(time, machine, kind, hash);
  if (keep_) Detail(std::string(name));
  // Two kinds with equal names have two places.
  Counts::value_type*& recent =
      recent_[(hash ^ static_cast<size_t>(kind)) % recent_.size()];
  if (recent == nullptr || recent->first != name) {
    Counts& counts = named_[static_cast<size_t>(kind)];
    auto count = counts.lower_bound(name);
    if (count == counts.end() || count->first != name) {
      count = counts.emplace_hint(count, name, 0);
    }
    recent = &*count;
  }
  ++recent->second;
}

void TraceHash::AddToStory(SimTime time, MachineId machine, TraceKind kind,
                           uint64_t payload, std::string words) {
  CHECK(IsIn(kInStory, kind));
  Append(time, machine, kind, payload);
  if (keep_) Detail(words);
  story_.back().detail = std::move(words);
  if (story_hook_) story_hook_(story_.back());
}

}  // namespace quorate::sim
