#include "node/resp/divided_commands.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "env/check.h"
#include "node/base/reply_text.h"
#include "node/base/text.h"
#include "node/base/turn_work.h"
#include "node/resp/error_text.h"
#include "raft/core/types.h"

namespace quorate::node {
namespace {

// Copies of short values are in blocks of this size.
constexpr size_t kCopiesBytes = 64 << 10;
constexpr std::string_view kNoMemory =
    "ERR the replies of this node reach limits.output_total_bytes; ask for "
    "fewer keys, or try again";

// Above the encoded sizes of a part of a read, and of an argument without the
// name of its key.
constexpr size_t kPartOverheadBytes = 256;
constexpr size_t kArgumentOverheadBytes =
    sizeof(uint32_t) + kv::kSlotPrefixBytes;

kv::Op OpForSlots(kv::Op op) {
  return op == kv::Op::kMGet ? kv::Op::kMGetOfSlots : kv::Op::kExistsOfSlots;
}

}  // namespace

DividedCommands::DividedCommands(Context& context, ClientConnection& client,
                                 RespAddress address, GroupQuestions& questions,
                                 ReplyQueue& replies)
    : context_(context),
      client_(client),
      cluster_(address == RespAddress::kCluster),
      questions_(questions),
      replies_(replies) {}

bool DividedCommands::Divides(const CommandRow& row) const {
  if (cluster_ || !context_.config.limits.cross_slot) return false;
  switch (row.id) {
    case CommandId::kMget:
    case CommandId::kMset:
    case CommandId::kDel:
    case CommandId::kUnlink:
    case CommandId::kExists:
    case CommandId::kTouch:
      return true;
    default:
      return false;
  }
}

std::vector<DividedCommands::Key> DividedCommands::KeysInOrder(
    const CommandRow& row, Arguments request) const {
  const KeyPositions at = FindKeys(row, request);
  std::vector<Key> keys;
  keys.reserve(at.count());
  for (size_t i = at.first; i <= at.last; i += at.step) {
    const Slot slot = context_.slots().SlotOf(request[i]);
    keys.push_back({.slot = slot,
                    .group = context_.router.QueueOf(slot).group(),
                    .place = static_cast<uint32_t>(keys.size()),
                    .name_bytes = static_cast<uint32_t>(request[i].size())});
  }
  std::ranges::sort(keys, [](const Key& a, const Key& b) {
    return std::tie(a.group, a.slot, a.place) <
           std::tie(b.group, b.slot, b.place);
  });
  return keys;
}

size_t DividedCommands::EndOfPart(absl::Span<const Key> keys, size_t begin,
                                  bool write) const {
  const bool by_slot = write || context_.router.slots_moved();
  size_t bytes = kPartOverheadBytes;
  size_t slot_begin = begin;  // Where the slot begins that has `end`.
  size_t end = begin;
  for (; end < keys.size() && keys[end].group == keys[begin].group; ++end) {
    if (keys[end].slot != keys[slot_begin].slot) {
      if (by_slot) return end;
      slot_begin = end;
    }
    bytes += kArgumentOverheadBytes + keys[end].name_bytes;
    // A slot is in one part: its keys are read at one moment.
    if (slot_begin > begin && bytes > raft::kEntryPayloadBytesMax) {
      return slot_begin;
    }
  }
  return end;
}

std::vector<kv::CommandSpec> DividedCommands::Parts(
    const CommandRow& row, Arguments request, const kv::CommandSpec& whole,
    absl::Span<const Key> keys, std::vector<std::string_view>* arguments,
    std::string* prefixed) const {
  const bool write = !kv::IsRead(whole.op);
  const KeyPositions at = FindKeys(row, request);
  size_t bytes = 0;
  for (size_t i = at.first; i <= at.last; i += at.step) {
    bytes += request[i].size() + kv::kSlotPrefixBytes;
  }
  // Parts point to them, so they must not move.
  arguments->reserve(keys.size() * at.step);
  if (!write) prefixed->reserve(bytes);
  std::vector<kv::CommandSpec> parts;
  for (size_t begin = 0; begin < keys.size();) {
    const size_t end = EndOfPart(keys, begin, write);
    kv::CommandSpec& part = parts.emplace_back(whole);
    part.slot = keys[begin].slot;
    const bool slots = keys[begin].slot != keys[end - 1].slot;
    if (slots) part.op = OpForSlots(whole.op);
    const size_t first = arguments->size();
    for (; begin < end; ++begin) {
      const size_t position = at.first + keys[begin].place * at.step;
      if (slots) {
        const size_t offset = prefixed->size();
        kv::AppendSlotKey(keys[begin].slot, request[position], prefixed);
        arguments->push_back(std::string_view(*prefixed).substr(offset));
        continue;
      }
      for (size_t i = 0; i < at.step; ++i) {
        arguments->push_back(request[position + i]);
      }
    }
    part.arguments = absl::MakeConstSpan(*arguments).subspan(first);
  }
  return parts;
}

Handled DividedCommands::Handle(const CommandRow& row, Arguments request,
                                const Translated& command,
                                Duration staleness_max) {
  const kv::CommandSpec& whole = command.specs[0];
  const bool write = !kv::IsRead(whole.op);
  const std::vector<Key> keys = KeysInOrder(row, request);
  std::vector<std::string_view> arguments;
  std::string prefixed;
  const std::vector<kv::CommandSpec> parts =
      Parts(row, request, whole, keys, &arguments, &prefixed);
  CHECK_LE(parts.size(), ReplyQueue::kPartsMax);
  for (const kv::CommandSpec& part : parts) {
    if (FitsOneEntry(absl::MakeConstSpan(&part, 1))) continue;
    replies_.ReplyError(row.id, kEntryTooLarge);
    return Handled::kDone;
  }
  client_.AddWork(parts.size() * TurnWork::kRequest + keys.size());
  const uint64_t token = replies_.Push(row.id, command.format);
  Command& divided = commands_[token];
  divided.format = command.format;
  divided.write = write;
  divided.parts_due = parts.size();
  if (kv::GetsMany(whole.op)) {
    divided.places.reserve(keys.size());
    for (const Key& key : keys) divided.places.push_back(key.place);
    for (const kv::CommandSpec& part : parts) {
      divided.begins.push_back(
          static_cast<uint32_t>(part.arguments.data() - arguments.data()));
    }
    divided.elements.resize(keys.size(), {.nil = true});
  }
  questions_.BeginCommand();
  for (size_t i = 0; i < parts.size(); ++i) {
    questions_.Query(token + i, parts[i], /*redirect=*/false, staleness_max);
  }
  return Handled::kDone;
}

void DividedCommands::OnResult(uint64_t token, const kv::ResultView& result) {
  const uint64_t reply = ReplyQueue::TokenOfReply(token);
  Command& command = commands_.at(reply);
  const std::string_view error = ErrorOf(result.status);
  if (error.empty()) {
    command.any_executed = true;
    command.sum += result.integer;
    if (command.format == ReplyFormat::kArray && !command.failed() &&
        !client_.closed()) {
      TakeElements(command, token - reply, result);
    }
  } else if (!command.failed()) {
    command.error = result.status == kv::ResultStatus::kTooLarge
                        ? Concat("ERR reply is larger than ",
                                 kv::kReturnedBytesMax, " bytes")
                        : std::string(error);
  }
  if (result.ends()) EndPart(reply, command);
}

void DividedCommands::OnFailure(uint64_t token, const RequestFailure& failure) {
  const uint64_t reply = ReplyQueue::TokenOfReply(token);
  Command& command = commands_.at(reply);
  if (failure.kind == RequestFailure::Kind::kUnknown) {
    command.any_executed = true;
  }
  if (!command.failed()) command.failure = failure;
  EndPart(reply, command);
}

void DividedCommands::TakeElements(Command& command, size_t part,
                                   const kv::ResultView& result) {
  const size_t begin = command.begins[part];
  const size_t end = part + 1 < command.begins.size() ? command.begins[part + 1]
                                                      : command.places.size();
  const size_t bytes_before = command.value_bytes;
  size_t taken = result.elements_before;
  // An answer of another node may have too many elements, or too few.
  const auto take = [&](const kv::ResultElement& element) {
    if (begin + taken < end && !element.nil) {
      TakeElement(command, command.places[begin + taken], element);
    }
    ++taken;
  };
  if (!result.elements.empty()) {
    for (const kv::ResultElement& element : result.elements) take(element);
  } else {
    kv::ArrayReader reader(result.bytes);
    while (!reader.done()) {
      kv::ResultElement element;
      element.nil = !reader.Next(&element.bytes);
      take(element);
    }
  }
  const size_t bytes = command.value_bytes - bytes_before;
  client_.AddWork(taken - result.elements_before +
                  bytes / TurnWork::kCopiedBytesPerUnit);
  if (result.ends() && begin + taken != end) {
    command.error = kNoResult;
  } else if (command.value_bytes > kv::kReturnedBytesMax) {
    command.error =
        Concat("ERR reply is larger than ", kv::kReturnedBytesMax, " bytes");
  } else if (!client_.HoldIfFits(bytes)) {
    command.error = kNoMemory;
  } else {
    command.held_bytes += bytes;
  }
  if (command.failed()) Drop(command);
}

void DividedCommands::TakeElement(Command& command, size_t place,
                                  const kv::ResultElement& element) {
  kv::ResultElement& own = command.elements[place];
  const size_t size = element.bytes.size();
  command.value_bytes += size;
  own.nil = false;
  if (element.shared != nullptr && size >= ReplyText::kSharedFromBytes) {
    own.bytes = element.bytes;
    own.shared = &command.shared.emplace_back(*element.shared);
    return;
  }
  std::vector<std::string>& copies = command.copies;
  if (copies.empty() ||
      copies.back().capacity() - copies.back().size() < size) {
    copies.emplace_back().reserve(std::max(size, kCopiesBytes));
  }
  const size_t offset = copies.back().size();
  copies.back() += element.bytes;
  own.bytes = std::string_view(copies.back()).substr(offset);
}

void DividedCommands::Drop(Command& command) {
  client_.Unhold(std::exchange(command.held_bytes, 0));
  command.elements = {};
  command.copies = {};
  command.shared = {};
}

void DividedCommands::EndPart(uint64_t token, Command& command) {
  if (--command.parts_due == 0 && Write(token, command)) commands_.erase(token);
}

void DividedCommands::Resume() {
  while (!commands_.empty() && FirstIsAnswered()) {
    const auto first = commands_.begin();
    if (!Write(first->first, first->second)) return;
    commands_.erase(first);
  }
}

bool DividedCommands::Write(uint64_t token, Command& command) {
  if (client_.closed()) {
    Drop(command);
    replies_.Drop(token);
    return true;
  }
  if (command.failed()) {
    Drop(command);
    WriteError(token, command);
    return true;
  }
  if (command.format == ReplyFormat::kArray) {
    return WriteElements(token, command);
  }
  replies_.Reply(token, [&](RespWriter& reply) {
    command.format == ReplyFormat::kStatusOk ? reply.Ok()
                                             : reply.Integer(command.sum);
  });
  return true;
}

// In pieces: the values of all groups may have 64 MiB.
bool DividedCommands::WriteElements(uint64_t token, Command& command) {
  const BoundsConfig& bounds = context_.config.bounds;
  const auto all = absl::MakeConstSpan(command.elements);
  while (command.written < all.size()) {
    if (token != replies_.front_token() ||
        !client_.RoomFor(0, /*in_front=*/true)) {
      return false;
    }
    size_t bytes = 0;
    size_t count = 0;
    while (command.written + count < all.size() &&
           count < bounds.read_piece_keys && bytes < bounds.read_piece_bytes) {
      bytes += all[command.written + count].bytes.size();
      ++count;
    }
    client_.AddWork(count + bytes / TurnWork::kCopiedBytesPerUnit);
    client_.Unhold(bytes);
    command.held_bytes -= bytes;
    const size_t before =
        std::exchange(command.written, command.written + count);
    replies_.OnResult(token, {.kind = kv::PayloadKind::kArray,
                              .elements = all.subspan(before, count),
                              .elements_before = before,
                              .elements_of_all = all.size()});
  }
  return true;
}

void DividedCommands::WriteError(uint64_t token, const Command& command) {
  if (command.write && command.any_executed) {
    const std::string error = command.failure.has_value()
                                  ? FailureText(context_, *command.failure)
                                  : command.error;
    return replies_.Reply(token, [&](RespWriter& reply) {
      reply.Error(DividedFailureText(error));
    });
  }
  if (command.failure.has_value()) {
    return replies_.OnFailure(token, *command.failure);
  }
  replies_.Reply(token, [&](RespWriter& reply) { reply.Error(command.error); });
}

}  // namespace quorate::node
