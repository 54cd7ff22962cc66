// Commands about the keys of this node as a whole: they cover the slots whose groups it leads.
#include <algorithm>
#include <utility>

#include "env/number.h"
#include "node/glob.h"
#include "node/resp_session.h"
#include "node/text.h"

namespace quorate::node {
namespace {

// A cursor is the position in a slot above the slot's number; 0 is the beginning and the end.
constexpr int kSlotBits = 14;
constexpr uint64_t kSlotMask = (uint64_t{1} << kSlotBits) - 1;

uint64_t MakeCursor(uint32_t slot, kv::ScanPosition position) {
  return position.value << kSlotBits | slot;
}

}  // namespace

bool RespSession::WriteKeyspace(const CommandSpec& row, Arguments request,
                                RespWriter& reply) {
  switch (row.id) {
    case CommandId::kDbsize: {
      uint64_t count = 0;
      for (const auto& queue : context_.router.queues()) {
        if (queue->leadership().kind == Leadership::Kind::kSelf) {
          count += queue->store()->key_count();
        }
      }
      reply.Integer(static_cast<int64_t>(count));
      return true;
    }
    case CommandId::kKeys:
      WriteKeys(request[1], reply);
      return true;
    case CommandId::kScan:
      WriteScan(request, reply);
      return true;
    case CommandId::kRandomkey:
      WriteRandomKey(reply);
      return true;
    default:
      return false;
  }
}

const kv::Store* RespSession::LedStore(uint32_t slot) const {
  const GroupQueue& queue =
      context_.router.QueueOf(Slot(static_cast<uint16_t>(slot)));
  return queue.leadership().kind == Leadership::Kind::kSelf ? queue.store()
                                                            : nullptr;
}

void RespSession::WriteKeys(std::string_view pattern, RespWriter& reply) {
  std::vector<std::string> keys;
  const WallTime due_by = context_.env.loop.ReadClock().wall.earliest;
  for (uint32_t number = 0; number < kHashSlotCount; ++number) {
    const Slot slot(static_cast<uint16_t>(number));
    const kv::Store* store = LedStore(number);
    if (store == nullptr || store->key_count(slot) == 0) continue;
    kv::ScanStep step;
    do {
      step = store->Scan(slot, step.next, context_.config.limits.scan_keys,
                         due_by, [&](std::string_view key, const kv::Lookup&) {
                           if (GlobMatch(pattern, key)) keys.emplace_back(key);
                         });
    } while (!step.done);
  }
  reply.Array(keys.size());
  for (const std::string& key : keys) reply.Bulk(key);
}

// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
void RespSession::WriteScan(Arguments request, RespWriter& reply) {
  uint64_t cursor;
  if (!ParseInteger(request[1], &cursor)) {
    return reply.Error("ERR invalid cursor");
  }
  std::string_view pattern = "*";
  std::string_view type = "string";
  int64_t count = 10;
  for (size_t i = 2; i < request.size(); i += 2) {
    if (i + 1 == request.size()) return reply.Error("ERR syntax error");
    if (EqualsIgnoreCase(request[i], "match")) {
      pattern = request[i + 1];
    } else if (EqualsIgnoreCase(request[i], "type")) {
      type = request[i + 1];
    } else if (EqualsIgnoreCase(request[i], "count")) {
      if (!ParseInteger(request[i + 1], &count)) {
        return reply.Error("ERR value is not an integer or out of range");
      }
      if (count < 1) return reply.Error("ERR syntax error");
    } else {
      return reply.Error("ERR syntax error");
    }
  }
  const bool strings = EqualsIgnoreCase(type, "string");
  const auto wanted = std::min(static_cast<uint64_t>(count),
                               uint64_t{context_.config.limits.scan_keys});
  const WallTime due_by = context_.env.loop.ReadClock().wall.earliest;
  auto number = static_cast<uint32_t>(cursor & kSlotMask);
  kv::ScanPosition position{cursor >> kSlotBits};
  std::vector<std::string> keys;
  uint64_t seen = 0;
  uint64_t next_cursor = 0;
  for (; number < kHashSlotCount; ++number, position = {}) {
    const Slot slot(static_cast<uint16_t>(number));
    const kv::Store* store = LedStore(number);
    if (store == nullptr || store->key_count(slot) == 0) continue;
    if (seen >= wanted) {
      next_cursor = MakeCursor(number, position);
      break;
    }
    const kv::ScanStep step =
        store->Scan(slot, position, wanted - seen, due_by,
                    [&](std::string_view key, const kv::Lookup&) {
                      ++seen;
                      if (strings && GlobMatch(pattern, key)) {
                        keys.emplace_back(key);
                      }
                    });
    if (!step.done) {
      next_cursor = MakeCursor(number, step.next);
      break;
    }
  }
  reply.Array(2);
  reply.Bulk(Concat(next_cursor));
  reply.Array(keys.size());
  for (const std::string& key : keys) reply.Bulk(key);
}

void RespSession::WriteRandomKey(RespWriter& reply) {
  const WallTime due_by = context_.env.loop.ReadClock().wall.earliest;
  const uint64_t bits = context_.env.random.Bits(
      "node.random_key", client_.id(), context_.draws++);
  const uint64_t start = bits % kHashSlotCount;
  for (uint32_t i = 0; i < kHashSlotCount; ++i) {
    const auto number = static_cast<uint32_t>((start + i) % kHashSlotCount);
    const Slot slot(static_cast<uint16_t>(number));
    const kv::Store* store = LedStore(number);
    if (store == nullptr || store->key_count(slot) == 0) continue;
    // From a random position to the end, then from the beginning.
    for (const uint64_t from :
         {bits >> (64 - kv::ScanPosition::kBits), uint64_t{0}}) {
      std::string found;
      bool any = false;
      kv::ScanStep step;
      step.next.value = from;
      do {
        step = store->Scan(slot, step.next, 1, due_by,
                           [&](std::string_view key, const kv::Lookup&) {
                             if (!any) found = key;
                             any = true;
                           });
      } while (!step.done && !any);
      if (any) return reply.Bulk(found);
    }
  }
  reply.Null();
}

RespSession::Taken RespSession::FlushAll(const CommandSpec& row,
                                         Arguments request) {
  if (request.size() > 2 ||
      (request.size() == 2 && !EqualsIgnoreCase(request[1], "async") &&
       !EqualsIgnoreCase(request[1], "sync"))) {
    ReplyError(row.id, "ERR syntax error");
    return Taken::kDone;
  }
  if (context_.config.self().read_only) {
    ReplyError(row.id, "READONLY You can't write against a read only replica.");
    return Taken::kDone;
  }
  struct Part {
    GroupQueue* queue;
    SlotRange slots;
  };
  std::vector<Part> parts;
  for (const auto& queue : context_.router.queues()) {
    if (queue->leadership().kind != Leadership::Kind::kSelf) continue;
    for (const SlotRange& range : queue->store()->owned()) {
      parts.push_back({queue.get(), range});
    }
  }
  if (parts.empty()) {
    ReplyNow(row.id, [](RespWriter& reply) { reply.Ok(); });
    return Taken::kDone;
  }
  const uint64_t token = Expect(row.id, Shape::kStatusOk);
  PendingOf(token).parts = static_cast<uint32_t>(parts.size());
  const Ask ask = {this, token, redirects()};
  for (const Part& part : parts) {
    kv::CommandSpec spec;
    spec.op = kv::Op::kFlush;
    spec.slot = part.slots.first;
    spec.numbers = {part.slots.first.value(), part.slots.last.value()};
    if (part.queue->Add(ask, spec) == Admission::kBlocked) {
      // Nothing of this connection stands in the way: the group is congested.
      Failure overloaded;
      overloaded.kind = Failure::Kind::kOverloaded;
      OnFailure(token, overloaded);
    }
  }
  return Taken::kDone;
}

}  // namespace quorate::node
