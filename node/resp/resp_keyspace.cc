// Commands on many keys. For a plain client they cover all groups, for a
// cluster client those that this node leads. Each question is a read, routed as
// any other read of its group.
#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "env/parse_integer.h"
#include "env/random.h"
#include "node/base/text.h"
#include "node/commands/glob.h"
#include "node/pages/info_page.h"
#include "node/resp/resp_session.h"

namespace quorate::node {
namespace {

// A cursor of SCAN has a tag above its slot and position. The tag of plain
// clients is 0. The tag of cluster clients identifies the node and the groups
// that it led, so that a scan does not continue where its answer would lack
// keys.
constexpr uint64_t kCursorTags = uint64_t{1} << (53 - kv::kCursorBits);
constexpr uint64_t kCursorMask = (uint64_t{1} << kv::kCursorBits) - 1;
constexpr std::string_view kOtherCursor =
    "ERR invalid cursor: it belongs to another address, or the groups that "
    "this "
    "node leads have changed since; start the scan again";

// The most bytes that KEYS returns; equal to the limit of any other command.
constexpr size_t kKeysBytesMax = kv::kReturnedBytesMax;
constexpr std::string_view kTooMuch =
    "ERR the reply would exceed 64 MiB; use SCAN";
constexpr std::string_view kTooMuchOfSlot =
    "ERR the reply would exceed 64 MiB; ask for fewer";
static_assert(kKeysBytesMax == 64 << 20);

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

// Keys with an expiry in the replicas of all groups; nullopt if a group has no
// replica here. A replica may lag behind.
std::optional<int64_t> ExpiringKeys(const Context& context) {
  int64_t keys = 0;
  for (const auto& queue : context.router.queues()) {
    const kv::Store* store = queue->store();
    if (store == nullptr) return std::nullopt;
    keys += static_cast<int64_t>(store->expiring_key_count());
  }
  return keys;
}

}  // namespace

// ---- What the commands cover.

std::vector<RespSession::Covered> RespSession::CoveredSlots() const {
  std::vector<Covered> covered;
  for (const shardctrl::Assignment& range : context_.map.assignments()) {
    const GroupQueue& queue = *context_.router.FindQueue(range.group);
    const Leadership::Kind leader = queue.leadership().kind;
    const bool may_lead = leader == Leadership::Kind::kUnknown &&
                          queue.placed() && !context_.config.self().read_only;
    if (!cluster() || leader == Leadership::Kind::kSelf) {
      covered.push_back({range.slots, /*may_lead=*/false});
    } else if (may_lead) {
      covered.push_back({range.slots, /*may_lead=*/true});
    }
  }
  return covered;
}

uint64_t RespSession::CursorTag() const {
  if (!cluster()) return 0;
  uint64_t hash = Mix64(context_.config.node.value());
  for (const auto& queue : context_.router.queues()) {
    if (queue->leadership().kind != Leadership::Kind::kSelf) continue;
    hash = Mix64(hash ^ queue->group().value());
  }
  return 1 + hash % (kCursorTags - 1);
}

std::string RespSession::GroupFailureText(CommandId command, uint32_t asked,
                                          const RequestFailure& failure) const {
  std::string slots;
  for (const SlotRange& range : context_.map.RangesOf(failure.group)) {
    Append(&slots, slots.empty() ? "" : ",", range.first);
    if (range.first != range.last) Append(&slots, "-", range.last);
  }
  const std::string group =
      Concat("group ", failure.group, " (slots ", slots, ")");
  const bool flush =
      command == CommandId::kFlushall || command == CommandId::kFlushdb;
  if (flush && asked > 1 && failure.kind != RequestFailure::Kind::kUnknown) {
    return Concat(
        "UNKNOWN ", group,
        " did not execute the command, other groups may have: ",
        failure.kind == RequestFailure::Kind::kOverloaded
            ? "too many requests wait for its leader"
        : failure.kind == RequestFailure::Kind::kRefused
            ? Concat("this node does not serve it: ", Message(failure.why))
            : "no leader known");
  }
  switch (failure.kind) {
    case RequestFailure::Kind::kUnknown:
      if (flush) {
        return Concat("UNKNOWN ", group,
                      " may or may not have executed the command: ",
                      Message(failure.why));
      }
      return Concat("CLUSTERDOWN ", group,
                    " did not answer: ", Message(failure.why));
    case RequestFailure::Kind::kOverloaded:
      return Concat("CLUSTERDOWN too many requests wait for the leader of ",
                    group);
    case RequestFailure::Kind::kRefused:
      return Concat("MISCONF this node does not serve ", group, ": ",
                    Message(failure.why));
    case RequestFailure::Kind::kMoved:
    case RequestFailure::Kind::kNoLeader:
      break;
  }
  return Concat("CLUSTERDOWN no leader known for ", group);
}

// ---- One question to each range of slots.

RespSession::HandleResult RespSession::FlushAll(const CommandRow& row,
                                                Arguments request) {
  if (request.size() > 2 ||
      (request.size() == 2 && !EqualsIgnoreCase(request[1], "async") &&
       !EqualsIgnoreCase(request[1], "sync"))) {
    ReplyError(row.id, "ERR syntax error");
    return HandleResult::kDone;
  }
  if (context_.config.self().read_only) {
    ReplyError(row.id, kReadOnly);
    return HandleResult::kDone;
  }
  const std::vector<Covered> covered = CoveredSlots();
  if (covered.empty()) {
    ReplyNow(row.id, [](RespWriter& reply) { reply.Ok(); });
  } else {
    AskEach(PushReply(row.id, ReplyFormat::kStatusOk), covered, kv::Op::kFlush);
  }
  return HandleResult::kDone;
}

RespSession::HandleResult RespSession::CountKeys(const CommandRow& row) {
  const std::vector<Covered> covered = CoveredSlots();
  if (covered.empty()) {
    ReplyNow(row.id, [](RespWriter& reply) { reply.Integer(0); });
  } else {
    AskEach(PushReply(row.id, ReplyFormat::kSum), covered, kv::Op::kKeyCount);
  }
  return HandleResult::kDone;
}

RespSession::HandleResult RespSession::Info(const CommandRow& row,
                                            Arguments request) {
  const Arguments sections = request.subspan(1);
  const uint64_t token = PushReply(row.id, ReplyFormat::kSum);
  PendingOf(token).info_sections = std::make_unique<std::vector<std::string>>(
      sections.begin(), sections.end());
  AskEach(token, CoveredSlots(), kv::Op::kKeyCount);
  return HandleResult::kDone;
}

void RespSession::WriteInfo(const Pending& pending, std::string_view error,
                            RespWriter& reply) const {
  const std::vector<std::string_view> sections(pending.info_sections->begin(),
                                               pending.info_sections->end());
  if (!error.empty() && InfoHasKeyspaceOnly(sections)) {
    reply.Error(error);
    return;
  }
  InfoView view = {address_};
  if (!error.empty()) {
    view.keyspace = Concat("db0_error:", error, "\r\n");
  } else if (pending.sum > 0) {
    view.keyspace = Concat("db0:keys=", pending.sum);
    if (const auto expiring = ExpiringKeys(context_)) {
      Append(&view.keyspace, ",expires=", std::min(*expiring, pending.sum));
    }
    view.keyspace += ",avg_ttl=0\r\n";
  }
  reply.Verbatim(InfoText(context_, view, sections));
}

void RespSession::AskEach(uint64_t token, const std::vector<Covered>& covered,
                          kv::Op op) {
  PendingOf(token).parts = static_cast<uint32_t>(covered.size());
  PendingOf(token).asked = static_cast<uint32_t>(covered.size());
  asked_groups_.clear();
  for (const Covered& part : covered) {
    kv::CommandSpec spec;
    spec.op = op;
    spec.slot = part.slots.first;
    spec.numbers = {part.slots.first.value(), part.slots.last.value()};
    AskGroup(token, spec, part.may_lead);
  }
}

void RespSession::AskGroup(uint64_t token, const kv::CommandSpec& spec,
                           bool redirect) {
  GroupQueue& queue = context_.router.QueueOf(spec.slot);
  const bool further =
      std::count(asked_groups_.begin(), asked_groups_.end(), queue.group()) > 0;
  if (queue.Add({this, token, redirect, further}, spec) ==
      Admission::kBlocked) {
    unasked_.push_back({token, spec, redirect});
  } else if (!further) {
    asked_groups_.push_back(queue.group());
  }
}

void RespSession::AskUnasked() {
  for (const Unasked& question : std::exchange(unasked_, {})) {
    AskGroup(question.token, question.spec, question.redirect);
  }
}

// ---- Walks: one step after the other.

// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
std::string_view RespSession::ReadScanOptions(Arguments request,
                                              uint64_t* cursor,
                                              KeyScan* scan) const {
  if (!ParseCursor(request[1], cursor)) return "ERR invalid cursor";
  scan->cursor_tag = CursorTag();
  if (*cursor != 0 && *cursor >> kv::kCursorBits != scan->cursor_tag) {
    return kOtherCursor;
  }
  *cursor &= kCursorMask;
  int64_t count = 10;
  for (size_t i = 2; i < request.size(); i += 2) {
    if (i + 1 == request.size()) return "ERR syntax error";
    if (EqualsIgnoreCase(request[i], "match")) {
      scan->pattern = request[i + 1];
    } else if (EqualsIgnoreCase(request[i], "type")) {
      scan->any_type = EqualsIgnoreCase(request[i + 1], "string");
    } else if (EqualsIgnoreCase(request[i], "count")) {
      if (!ParseInteger(request[i + 1], &count)) {
        return "ERR value is not an integer or out of range";
      }
      if (count < 1) return "ERR syntax error";
    } else {
      return "ERR syntax error";
    }
  }
  scan->wanted = std::min(static_cast<uint64_t>(count),
                          uint64_t{context_.config.limits.scan_keys});
  return {};
}

RespSession::HandleResult RespSession::ScanKeys(const CommandRow& row,
                                                Arguments request) {
  auto scan = std::make_unique<KeyScan>();
  scan->command = row.id;
  scan->wanted = std::numeric_limits<uint64_t>::max();
  uint64_t cursor = 0;
  if (row.id == CommandId::kScan) {
    const std::string_view error =
        ReadScanOptions(request, &cursor, scan.get());
    if (!error.empty()) {
      ReplyError(row.id, error);
      return HandleResult::kDone;
    }
  } else if (row.id == CommandId::kKeys) {
    scan->pattern = request[1];
  } else {
    scan->bits = context_.env.random.Bits("node.random_key", client_.id(),
                                          context_.random_draws++);
    // A random slot, and a random position in it.
    cursor = scan->bits & kCursorMask;
  }
  const Slot from = kv::CursorSlot(cursor);
  // The slots before the cursor: RANDOMKEY wraps around.
  std::vector<SlotCursor> before;
  for (const auto& [slots, may_lead] : CoveredSlots()) {
    const uint64_t begin = kv::MakeCursor(slots.first, {});
    const bool inside = slots.first <= from && from <= slots.last;
    if (inside) {
      scan->cursors.push_back({cursor, slots.last, may_lead});
      before.push_back({begin, from, may_lead});
    } else if (from < slots.first) {
      scan->cursors.push_back({begin, slots.last, may_lead});
    } else {
      before.push_back({begin, slots.last, may_lead});
    }
  }
  if (row.id == CommandId::kRandomkey) {
    scan->cursors.insert(scan->cursors.end(), before.begin(), before.end());
  }
  const uint64_t token = PushReply(row.id, ReplyFormat::kArray);
  scan_ = std::move(scan);
  StepScan(token);
  return HandleResult::kDone;
}

// Every node answers for every slot by asking the slot's group.
RespSession::HandleResult RespSession::SlotKeys(const CommandRow& row,
                                                Arguments request) {
  const bool count_only = row.id == CommandId::kClusterCountkeysinslot;
  int64_t number = 0;
  int64_t count = 0;
  std::string_view error;
  if (!cluster()) {
    error = kClusterDisabled;
  } else if (!ParseInteger(request[2], &number) ||
             (!count_only && !ParseInteger(request[3], &count))) {
    error = "ERR value is not an integer or out of range";
  } else if (number < 0 || number >= kHashSlotCount || count < 0) {
    error =
        count_only ? "ERR Invalid slot" : "ERR Invalid slot or number of keys";
  }
  if (!error.empty()) {
    ReplyError(row.id, error);
    return HandleResult::kDone;
  }
  const Slot slot(static_cast<uint16_t>(number));
  if (count_only) {
    AskEach(PushReply(row.id, ReplyFormat::kSum), {{.slots = {slot, slot}}},
            kv::Op::kKeyCount);
    return HandleResult::kDone;
  }
  auto scan = std::make_unique<KeyScan>();
  scan->command = row.id;
  scan->wanted = static_cast<uint64_t>(count);
  scan->cursors.push_back({kv::MakeCursor(slot, {}), slot});
  const uint64_t token = PushReply(row.id, ReplyFormat::kArray);
  scan_ = std::move(scan);
  StepScan(token);
  return HandleResult::kDone;
}

void RespSession::StepScan(uint64_t token) {
  KeyScan& scan = *scan_;
  const bool found =
      scan.command == CommandId::kRandomkey && !scan.keys.empty();
  if (scan.next == scan.cursors.size() || scan.visited >= scan.wanted ||
      found || closed_) {
    return EndScan(token, "");
  }
  const SlotCursor& slot_cursor = scan.cursors[scan.next];
  const uint64_t count =
      scan.command == CommandId::kRandomkey
          ? 1
          : std::min(scan.wanted - scan.visited,
                     uint64_t{context_.config.limits.scan_keys});
  kv::CommandSpec spec;
  spec.op = kv::Op::kScan;
  spec.slot = kv::CursorSlot(slot_cursor.cursor);
  spec.numbers = {
      static_cast<int64_t>(slot_cursor.cursor),
      kv::ScanBounds(slot_cursor.last, static_cast<uint32_t>(count))};
  asked_groups_.clear();
  AskGroup(token, spec, slot_cursor.may_lead);
}

void RespSession::OnScanFailed(uint64_t token, const RequestFailure& failure) {
  KeyScan& scan = *scan_;
  if (failure.kind != RequestFailure::Kind::kMoved) {
    return EndScan(token, GroupFailureText(scan.command, 0, failure));
  }
  // Another node leads the group, and answers for its keys.
  ++scan.next;
  StepScan(token);
}

void RespSession::OnScanResult(uint64_t token, const kv::ResultView& result) {
  const std::string_view error = ErrorOf(result.status);
  if (!error.empty()) return EndScan(token, error);
  KeyScan& scan = *scan_;
  kv::ArrayReader reader(result.bytes);
  std::string_view bytes;
  uint64_t cursor = 0;
  if (reader.done() || !reader.Next(&bytes) || !ParseInteger(bytes, &cursor)) {
    return EndScan(token, "ERR the store returned no cursor");
  }
  scan.visited += reader.count() - 1;
  while (!reader.done()) {
    if (!reader.Next(&bytes)) continue;
    if (!scan.any_type || !GlobMatch(scan.pattern, bytes)) continue;
    scan.keys.emplace_back(bytes);
    scan.key_bytes += bytes.size() + 16;
  }
  if (scan.key_bytes > kKeysBytesMax) {
    return EndScan(token, scan.command == CommandId::kClusterGetkeysinslot
                              ? kTooMuchOfSlot
                              : kTooMuch);
  }
  if (cursor == 0) {
    ++scan.next;
  } else {
    // This node finishes the group that it has begun.
    scan.cursors[scan.next].cursor = cursor;
    scan.cursors[scan.next].may_lead = false;
  }
  StepScan(token);
}

void RespSession::EndScan(uint64_t token, std::string_view error) {
  const std::unique_ptr<KeyScan> scan = std::move(scan_);
  Pending& pending = PendingOf(token);
  RespWriter reply(&pending.reply, pending.version);
  if (!error.empty()) {
    reply.Error(error);
  } else if (scan->command == CommandId::kRandomkey) {
    if (scan->keys.empty()) {
      reply.Null();
    } else {
      reply.Bulk(scan->keys[(scan->bits >> 32) % scan->keys.size()]);
    }
  } else {
    if (scan->command == CommandId::kScan) {
      reply.Array(2);
      reply.Bulk(Concat(scan->next == scan->cursors.size()
                            ? 0
                            : scan->cursors[scan->next].cursor |
                                  scan->cursor_tag << kv::kCursorBits));
    }
    // A step may visit more keys than requested.
    if (scan->command == CommandId::kClusterGetkeysinslot &&
        scan->keys.size() > scan->wanted) {
      scan->keys.resize(scan->wanted);
    }
    reply.Array(scan->keys.size());
    for (const std::string& key : scan->keys) reply.Bulk(key);
  }
  RecordMetrics(pending.command, context_.MonoNow() - pending.begun,
                pending.reply);
  Finish(pending);
}

}  // namespace quorate::node
