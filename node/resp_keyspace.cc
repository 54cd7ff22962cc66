// Commands about the keys as a whole. They cover the groups that Context::Covers says, whoever leads them: each question is a
// read that goes the way of any other read of its group.
#include <algorithm>
#include <limits>
#include <utility>

#include "env/number.h"
#include "node/glob.h"
#include "node/resp_session.h"
#include "node/text.h"

namespace quorate::node {
namespace {

// What KEYS may return, as any other command, in bytes.
constexpr size_t kKeysBytesMax = kv::kReturnedBytesMax;
constexpr std::string_view kTooMuch =
    "ERR the reply would exceed 64 MiB; use SCAN";
static_assert(kKeysBytesMax == 64 << 20);

// As strtoul reads it: a sign is allowed, and nothing is 0.
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

template <typename Covers>
std::vector<SlotRange> RespSession::SlotsOf(Covers covers) const {
  std::vector<SlotRange> slots;
  for (const shardctrl::Assignment& range : context_.map.assignments()) {
    if (covers(*context_.router.FindQueue(range.group))) {
      slots.push_back(range.slots);
    }
  }
  return slots;
}

std::vector<SlotRange> RespSession::CoveredSlots() const {
  return SlotsOf(
      [this](const GroupQueue& queue) { return context_.Covers(queue); });
}

// ---- One question to each range of slots.

RespSession::Taken RespSession::FlushAll(const CommandSpec& row,
                                         Arguments request) {
  if (request.size() > 2 ||
      (request.size() == 2 && !EqualsIgnoreCase(request[1], "async") &&
       !EqualsIgnoreCase(request[1], "sync"))) {
    ReplyError(row.id, "ERR syntax error");
    return Taken::kDone;
  }
  if (context_.config.self().read_only) {
    ReplyError(row.id, kReadOnly);
    return Taken::kDone;
  }
  AskEach(SlotsOf([this](const GroupQueue& queue) {
            return context_.PassesOn() || context_.Covers(queue);
          }),
          row, Shape::kStatusOk, kv::Op::kFlush);
  return Taken::kDone;
}

RespSession::Taken RespSession::CountKeys(const CommandSpec& row) {
  AskEach(CoveredSlots(), row, Shape::kSum, kv::Op::kKeyCount);
  return Taken::kDone;
}

void RespSession::AskEach(const std::vector<SlotRange>& covered,
                          const CommandSpec& row, Shape shape, kv::Op op) {
  if (covered.empty()) {
    ReplyNow(row.id, [&](RespWriter& reply) {
      shape == Shape::kSum ? reply.Integer(0) : reply.Ok();
    });
    return;
  }
  const uint64_t token = Expect(row.id, shape);
  PendingOf(token).parts = static_cast<uint32_t>(covered.size());
  for (const SlotRange& slots : covered) {
    kv::CommandSpec spec;
    spec.op = op;
    spec.slot = slots.first;
    spec.numbers = {slots.first.value(), slots.last.value()};
    AskOrFail(token, spec);
  }
}

void RespSession::AskOrFail(uint64_t token, const kv::CommandSpec& spec) {
  const Ask ask = {this, token, /*redirect=*/false};
  if (context_.router.QueueOf(spec.slot).Add(ask, spec) ==
      Admission::kBlocked) {
    // Nothing of this connection stands in the way: the group is congested.
    Failure overloaded;
    overloaded.kind = Failure::Kind::kOverloaded;
    OnFailure(token, overloaded);
  }
}

// ---- Walks: one step after the other.

// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
std::string_view RespSession::ReadScanOptions(Arguments request,
                                              uint64_t* cursor,
                                              KeyWalk* walk) const {
  if (!ParseCursor(request[1], cursor)) return "ERR invalid cursor";
  int64_t count = 10;
  for (size_t i = 2; i < request.size(); i += 2) {
    if (i + 1 == request.size()) return "ERR syntax error";
    if (EqualsIgnoreCase(request[i], "match")) {
      walk->pattern = request[i + 1];
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
  walk->wanted = std::min(static_cast<uint64_t>(count),
                          uint64_t{context_.config.limits.scan_keys});
  return {};
}

RespSession::Taken RespSession::WalkKeys(const CommandSpec& row,
                                         Arguments request) {
  auto walk = std::make_unique<KeyWalk>();
  walk->command = row.id;
  walk->wanted = std::numeric_limits<uint64_t>::max();
  uint64_t cursor = 0;
  if (row.id == CommandId::kScan) {
    const std::string_view error =
        ReadScanOptions(request, &cursor, walk.get());
    if (!error.empty()) {
      ReplyError(row.id, error);
      return Taken::kDone;
    }
  } else if (row.id == CommandId::kKeys) {
    walk->pattern = request[1];
  } else {
    walk->bits = context_.env.random.Bits("node.random_key", client_.id(),
                                          context_.draws++);
    cursor = walk->bits;  // Any slot, any place in it.
  }
  const Slot from = kv::CursorSlot(cursor);
  std::vector<Stretch> before;  // Of the cursor: RANDOMKEY goes around.
  for (const SlotRange& slots : CoveredSlots()) {
    const bool inside = slots.first <= from && from <= slots.last;
    if (inside) {
      walk->stretches.push_back({cursor, slots.last});
      before.push_back({kv::MakeCursor(slots.first, {}), from});
    } else if (from < slots.first) {
      walk->stretches.push_back({kv::MakeCursor(slots.first, {}), slots.last});
    } else {
      before.push_back({kv::MakeCursor(slots.first, {}), slots.last});
    }
  }
  if (row.id == CommandId::kRandomkey) {
    walk->stretches.insert(walk->stretches.end(), before.begin(), before.end());
  }
  const uint64_t token = Expect(row.id, Shape::kArray);
  walk_ = std::move(walk);
  StepWalk(token);
  return Taken::kDone;
}

void RespSession::StepWalk(uint64_t token) {
  KeyWalk& walk = *walk_;
  const bool found =
      walk.command == CommandId::kRandomkey && !walk.keys.empty();
  if (walk.next == walk.stretches.size() || walk.visited >= walk.wanted ||
      found || closed_) {
    return EndWalk(token, "");
  }
  const Stretch& stretch = walk.stretches[walk.next];
  const uint64_t count =
      walk.command == CommandId::kRandomkey
          ? 1
          : std::min(walk.wanted - walk.visited,
                     uint64_t{context_.config.limits.scan_keys});
  kv::CommandSpec spec;
  spec.op = kv::Op::kScan;
  spec.slot = kv::CursorSlot(stretch.cursor);
  spec.numbers = {static_cast<int64_t>(stretch.cursor),
                  kv::ScanBounds(stretch.last, static_cast<uint32_t>(count))};
  AskOrFail(token, spec);
}

void RespSession::OnWalked(uint64_t token, const kv::ResultView& result) {
  const std::string_view error = ErrorOf(result.status);
  if (!error.empty()) return EndWalk(token, error);
  KeyWalk& walk = *walk_;
  kv::ArrayReader reader(result.bytes);
  std::string_view bytes;
  uint64_t cursor = 0;
  if (reader.done() || !reader.Next(&bytes) || !ParseInteger(bytes, &cursor)) {
    return EndWalk(token, "ERR the store gave no cursor");
  }
  walk.visited += reader.count() - 1;
  while (!reader.done()) {
    if (!reader.Next(&bytes)) continue;
    if (!walk.any_type || !GlobMatch(walk.pattern, bytes)) continue;
    walk.keys.emplace_back(bytes);
    walk.key_bytes += bytes.size() + 16;
  }
  if (walk.key_bytes > kKeysBytesMax) {
    return EndWalk(token, kTooMuch);
  }
  if (cursor == 0) {
    ++walk.next;
  } else {
    walk.stretches[walk.next].cursor = cursor;
  }
  StepWalk(token);
}

void RespSession::EndWalk(uint64_t token, std::string_view error) {
  const std::unique_ptr<KeyWalk> walk = std::move(walk_);
  Pending& pending = PendingOf(token);
  RespWriter reply(&pending.reply, pending.version);
  if (!error.empty()) {
    reply.Error(error);
  } else if (walk->command == CommandId::kRandomkey) {
    if (walk->keys.empty()) {
      reply.Null();
    } else {
      reply.Bulk(walk->keys[(walk->bits >> 32) % walk->keys.size()]);
    }
  } else {
    if (walk->command == CommandId::kScan) {
      reply.Array(2);
      reply.Bulk(Concat(walk->next == walk->stretches.size()
                            ? 0
                            : walk->stretches[walk->next].cursor));
    }
    reply.Array(walk->keys.size());
    for (const std::string& key : walk->keys) reply.Bulk(key);
  }
  Account(pending.command, context_.MonoNow() - pending.begun, pending.reply);
  Finish(pending);
}

}  // namespace quorate::node
