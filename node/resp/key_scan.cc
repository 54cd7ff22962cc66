#include "node/resp/key_scan.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "env/check.h"
#include "env/parse_integer.h"
#include "env/random.h"
#include "kv/command/command.h"
#include "kv/slots/slot_scan.h"
#include "node/base/text.h"
#include "node/resp/error_text.h"

namespace quorate::node {
namespace {

// A cursor of SCAN has a tag above its slot and position. The tag of plain
// clients is 0. That of cluster clients changes with the groups that the node
// leads. A scan therefore does not continue where its answer would lack keys.
constexpr uint64_t kCursorTags = uint64_t{1} << (53 - kv::kCursorBits);
constexpr uint64_t kCursorMask = (uint64_t{1} << kv::kCursorBits) - 1;
constexpr std::string_view kOtherCursor =
    "ERR invalid cursor: it belongs to another address, or the groups that "
    "this node leads have changed since; start the scan again";

// The most bytes that KEYS returns; equal to the limit of any other command.
constexpr size_t kKeysBytesMax = kv::kReturnedBytesMax;
constexpr std::string_view kTooMuch =
    "ERR the reply would exceed 64 MiB; use SCAN";
constexpr std::string_view kTooMuchOfSlot =
    "ERR the reply would exceed 64 MiB; ask for fewer";
static_assert(kKeysBytesMax == 64 << 20);
constexpr std::string_view kNoMemory =
    "ERR the replies of this node reach limits.output_total_bytes; ask for "
    "fewer keys, with SCAN, or try again";

// The steps of matching that are done at once: less than half a millisecond.
constexpr uint64_t kGlobStepsAtOnce = 256 << 10;

// The reply shares pieces of this size.
constexpr size_t kPieceBytes = 64 << 10;

// Parses as strtoul does: a sign is allowed, and an empty text is 0.
bool ParseCursor(std::string_view text, uint64_t* cursor) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  *cursor = 0;
  if (text.empty()) return !negative;
  if (text.size() > 1) {
    text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
  }
  if (text[0] == '-' || !ParseInteger(text, cursor)) return false;
  if (negative) *cursor = -*cursor;
  return true;
}

}  // namespace

KeyScan::KeyScan(Context& context, ClientConnection& client,
                 RespAddress address, GroupQuestions& questions,
                 ReplyQueue& replies)
    : context_(context),
      client_(client),
      cluster_(address == RespAddress::kCluster),
      questions_(questions),
      replies_(replies) {}

// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
std::string_view KeyScan::ReadOptions(Arguments request, uint64_t* cursor,
                                      Walk* walk) const {
  if (!ParseCursor(request[1], cursor)) return "ERR invalid cursor";
  walk->cursor_tag = CursorTag();
  if (*cursor != 0 && *cursor >> kv::kCursorBits != walk->cursor_tag) {
    return kOtherCursor;
  }
  *cursor &= kCursorMask;
  int64_t count = 10;
  std::string_view pattern = "*";
  for (size_t i = 2; i < request.size(); i += 2) {
    if (i + 1 == request.size()) return "ERR syntax error";
    if (EqualsIgnoreCase(request[i], "match")) {
      if (request[i + 1].size() > Glob::kPatternBytesMax) return kLongPattern;
      pattern = request[i + 1];
    } else if (EqualsIgnoreCase(request[i], "type")) {
      walk->any_type = EqualsIgnoreCase(request[i + 1], "string");
    } else if (EqualsIgnoreCase(request[i], "count")) {
      if (!ParseInteger(request[i + 1], &count)) {
        return "ERR value is not an integer or out of range";
      }
      if (count < 1) return "ERR syntax error";
    } else {
      return "ERR syntax error";
    }
  }
  ReadPattern(pattern, walk);
  walk->wanted = std::min(static_cast<uint64_t>(count),
                          uint64_t{context_.config.bounds.scan_keys});
  return {};
}

void KeyScan::ReadPattern(std::string_view pattern, Walk* walk) const {
  client_.AddWork(pattern.size() / TurnWork::kPatternBytesPerUnit);
  walk->glob = Glob(pattern);
}

uint64_t KeyScan::CursorTag() const {
  if (!cluster_) return 0;
  client_.AddWork(context_.router.queues().size() / TurnWork::kGroupsPerUnit);
  std::vector<GroupId> led;
  for (const auto& queue : context_.router.queues()) {
    if (queue->leadership().kind == Leadership::Kind::kSelf) {
      led.push_back(queue->group());
    }
  }
  // Each start of each node counts from another number.
  const uint64_t first = context_.env.random.Bits("node.scan_coverage", 0, 0);
  return 1 +
         (first + context_.scan_coverage.NumberOf(
                      context_.cluster.shards().version(), std::move(led))) %
             (kCursorTags - 1);
}

std::vector<KeyScan::SlotCursor> KeyScan::CursorsFrom(uint64_t cursor,
                                                      bool wrap) const {
  const Slot from = kv::CursorSlot(cursor);
  std::vector<SlotCursor> cursors;
  std::vector<SlotCursor> before;
  client_.AddWork(context_.cluster.shards().assignments().size() /
                  TurnWork::kGroupsPerUnit);
  for (const auto& [slots, may_lead] : questions_.CoveredSlots()) {
    const uint64_t begin = kv::MakeCursor(slots.first, {});
    const bool inside = slots.first <= from && from <= slots.last;
    if (inside) {
      cursors.push_back({cursor, slots.last, may_lead});
      before.push_back({begin, from, may_lead});
    } else if (from < slots.first) {
      cursors.push_back({begin, slots.last, may_lead});
    } else {
      before.push_back({begin, slots.last, may_lead});
    }
  }
  if (wrap) cursors.insert(cursors.end(), before.begin(), before.end());
  return cursors;
}

Handled KeyScan::Scan(const CommandRow& row, Arguments request) {
  auto walk = std::make_unique<Walk>();
  walk->command = row.id;
  walk->wanted = std::numeric_limits<uint64_t>::max();
  uint64_t cursor = 0;
  if (row.id == CommandId::kScan) {
    const std::string_view error = ReadOptions(request, &cursor, walk.get());
    if (!error.empty()) {
      replies_.ReplyError(row.id, error);
      return Handled::kDone;
    }
  } else if (row.id == CommandId::kKeys) {
    if (request[1].size() > Glob::kPatternBytesMax) {
      replies_.ReplyError(row.id, kLongPattern);
      return Handled::kDone;
    }
    ReadPattern(request[1], walk.get());
  } else {
    walk->bits = context_.env.random.Bits("node.random_key", client_.id(),
                                          context_.random_draws++);
    // A random slot, and a random position in it.
    cursor = walk->bits & kCursorMask;
  }
  walk->cursors = CursorsFrom(cursor, row.id == CommandId::kRandomkey);
  Begin(std::move(walk));
  return Handled::kDone;
}

// Every node answers for every slot by asking the slot's group.
Handled KeyScan::KeysInSlot(const CommandRow& row, Arguments request) {
  int64_t number = 0;
  int64_t count = 0;
  std::string_view error;
  if (!cluster_) {
    error = kClusterDisabled;
  } else if (!ParseInteger(request[2], &number) ||
             !ParseInteger(request[3], &count)) {
    error = "ERR value is not an integer or out of range";
  } else if (number < 0 || number >= context_.slots().slot_count() ||
             count < 0) {
    error = "ERR Invalid slot or number of keys";
  }
  if (!error.empty()) {
    replies_.ReplyError(row.id, error);
    return Handled::kDone;
  }
  const Slot slot(static_cast<uint16_t>(number));
  auto walk = std::make_unique<Walk>();
  walk->command = row.id;
  walk->wanted = static_cast<uint64_t>(count);
  walk->cursors.push_back({kv::MakeCursor(slot, {}), slot});
  Begin(std::move(walk));
  return Handled::kDone;
}

void KeyScan::Begin(std::unique_ptr<Walk> walk) {
  CHECK(walk_ == nullptr) << "one walk at a time";
  walk->token = replies_.Push(walk->command, ReplyFormat::kArray);
  walk_ = std::move(walk);
  Step();
}

void KeyScan::Step() {
  step_due_ = true;
  if (std::exchange(stepping_, true)) return;
  while (std::exchange(step_due_, false)) TakeStep();
  stepping_ = false;
}

void KeyScan::TakeStep() {
  const Walk& walk = *walk_;
  const bool found =
      walk.command == CommandId::kRandomkey && !walk.random_keys.empty();
  if (walk.next == walk.cursors.size() || walk.visited >= walk.wanted ||
      found || client_.closed()) {
    if (client_.RoomFor(walk.key_bytes, /*in_front=*/true)) return End("");
    waits_ = true;
    return;
  }
  if (!client_.RoomFor(0, /*in_front=*/true)) {
    waits_ = true;
    return;
  }
  const SlotCursor& slot_cursor = walk.cursors[walk.next];
  const uint64_t count =
      walk.command == CommandId::kRandomkey ||
              context_.env.buggify.Fire("node.scan_of_one_key")
          ? 1
          : std::min({walk.wanted - walk.visited,
                      uint64_t{context_.config.bounds.scan_keys},
                      context_.config.bounds.scan_step_keys});
  kv::CommandSpec spec;
  spec.op = kv::Op::kScan;
  spec.slot = kv::CursorSlot(slot_cursor.cursor);
  spec.numbers = {
      static_cast<int64_t>(slot_cursor.cursor),
      kv::ScanBounds(slot_cursor.last, static_cast<uint32_t>(count))};
  questions_.BeginCommand();
  questions_.Query(walk.token, spec, slot_cursor.may_lead);
}

void KeyScan::Resume() {
  if (walk_ == nullptr || !std::exchange(waits_, false)) return;
  walk_->matching ? MatchRest() : Step();
}

void KeyScan::OnFailure(const RequestFailure& failure) {
  if (failure.kind != RequestFailure::Kind::kMoved) {
    return End(GroupFailureText(context_, failure));
  }
  // Another node leads the group, and answers for its keys. A map may have
  // thousands of ranges.
  client_.AddWork(TurnWork::kRequest);
  ++walk_->next;
  Step();
}

// CLUSTER GETKEYSINSLOT is about one slot, of whatever group. Cursors of other
// commands may be behind a part of their slots.
void KeyScan::StepAgain() {
  Walk& walk = *walk_;
  if (walk.command != CommandId::kClusterGetkeysinslot) {
    const std::vector<SlotCursor> before =
        std::exchange(walk.cursors, std::vector<SlotCursor>());
    for (size_t i = walk.next; i < before.size(); ++i) {
      const Slot from = kv::CursorSlot(before[i].cursor);
      for (const auto& [slots, may_lead] :
           questions_.CoveredIn({from, before[i].last})) {
        const uint64_t cursor = slots.first == from
                                    ? before[i].cursor
                                    : kv::MakeCursor(slots.first, {});
        walk.cursors.push_back({cursor, slots.last, may_lead});
      }
    }
    walk.next = 0;
  }
  Step();
}

void KeyScan::OnResult(const kv::ResultView& result) {
  if (result.status == kv::ResultStatus::kNotOwner) {
    if (walk_->deadline == MonoTime::Max()) {
      walk_->deadline =
          context_.MonoNow() + context_.config.timeouts.leader_wait;
    }
    if (context_.MonoNow() < walk_->deadline && !client_.closed()) {
      return questions_.AskSoon([this] { StepAgain(); });
    }
  } else {
    walk_->deadline = MonoTime::Max();
  }
  const std::string_view error = ErrorOf(result.status);
  if (!error.empty()) return End(error);
  Walk& walk = *walk_;
  // This node may lead the group since the walk began, and only for a moment.
  // The next tag then differs even so.
  CursorTag();
  kv::ArrayReader reader(result.bytes);
  std::string_view bytes;
  uint64_t cursor = 0;
  if (reader.done() || !reader.Next(&bytes) || !ParseInteger(bytes, &cursor)) {
    return End("ERR the store returned no cursor");
  }
  walk.visited += reader.count() - 1;
  uint64_t steps = kGlobStepsAtOnce;
  while (!reader.done()) {
    if (!reader.Next(&bytes) || !walk.any_type) continue;
    if (!walk.unmatched.empty() || !MatchKey(bytes, &steps)) {
      walk.unmatched.emplace_back(bytes);
    }
  }
  std::reverse(walk.unmatched.begin(), walk.unmatched.end());
  client_.AddWork(TurnWork::kScannedKey * reader.count() +
                  (kGlobStepsAtOnce - steps) / TurnWork::kGlobStepsPerUnit);
  walk.behind = cursor;
  walk.matching = true;
  MatchRest();
}

bool KeyScan::MatchKey(std::string_view key, uint64_t* steps) {
  Walk& walk = *walk_;
  const Glob::Result result = walk.glob.Match(key, &walk.attempt, steps);
  if (result == Glob::Result::kUnfinished) return false;
  walk.attempt = Glob::Attempt();
  if (result == Glob::Result::kMatches) TakeKey(key);
  return true;
}

void KeyScan::MatchRest() {
  Walk& walk = *walk_;
  if (client_.closed()) walk.unmatched.clear();
  while (!walk.unmatched.empty()) {
    if (!client_.RoomFor(0, /*in_front=*/true)) {
      waits_ = true;
      return;
    }
    uint64_t steps = kGlobStepsAtOnce;
    while (!walk.unmatched.empty() && MatchKey(walk.unmatched.back(), &steps)) {
      walk.unmatched.pop_back();
    }
    client_.AddWork((kGlobStepsAtOnce - steps) / TurnWork::kGlobStepsPerUnit);
  }
  walk.matching = false;
  const size_t bytes = walk.key_bytes - walk.held_bytes;
  if (!client_.HoldIfFits(bytes)) return End(kNoMemory);
  walk.held_bytes += bytes;
  if (walk.key_bytes > kKeysBytesMax) {
    return End(walk.command == CommandId::kClusterGetkeysinslot ? kTooMuchOfSlot
                                                                : kTooMuch);
  }
  if (walk.behind == 0) {
    ++walk.next;
  } else {
    // This node finishes the group that it has begun.
    walk.cursors[walk.next].cursor = walk.behind;
    walk.cursors[walk.next].may_lead = false;
  }
  Step();
}

void KeyScan::End(std::string_view error) {
  const std::unique_ptr<Walk> walk = std::move(walk_);
  client_.Unhold(walk->held_bytes);
  replies_.Reply(walk->token, [&](RespWriter& reply) {
    error.empty() ? WriteKeys(*walk, reply) : reply.Error(error);
  });
}

// A step may visit more keys than requested.
void KeyScan::TakeKey(std::string_view key) {
  Walk& walk = *walk_;
  if (walk.command == CommandId::kRandomkey) {
    walk.random_keys.emplace_back(key);
    return;
  }
  if (walk.command == CommandId::kClusterGetkeysinslot &&
      walk.key_count >= walk.wanted) {
    return;
  }
  ++walk.key_count;
  walk.key_bytes += key.size() + 16;
  RespWriter(&walk.text, replies_.version()).Bulk(key);
  if (walk.text.size() < kPieceBytes) return;
  walk.pieces.push_back(Buffer::Take(std::exchange(walk.text, {})));
}

void KeyScan::WriteKeys(Walk& walk, RespWriter& reply) {
  if (walk.command == CommandId::kRandomkey) {
    if (walk.random_keys.empty()) return reply.Null();
    return reply.Bulk(
        walk.random_keys[(walk.bits >> 32) % walk.random_keys.size()]);
  }
  if (walk.command == CommandId::kScan) {
    reply.Array(2);
    reply.Bulk(Concat(walk.next == walk.cursors.size()
                          ? 0
                          : walk.cursors[walk.next].cursor |
                                walk.cursor_tag << kv::kCursorBits));
  }
  reply.Array(walk.key_count);
  for (Buffer& piece : walk.pieces) reply.Share(std::move(piece));
  reply.Raw(walk.text);
}

}  // namespace quorate::node
