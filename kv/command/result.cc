#include "kv/command/result.h"

#include "env/check.h"
#include "env/little_endian.h"

namespace quorate::kv {
namespace {

constexpr uint8_t kResultVersion = 1;
constexpr size_t kFrameBytes = 24;
constexpr size_t kHeadBytes = 8;
constexpr size_t kVersionBytes = 16;
constexpr uint32_t kNilSize = 0xffffffff;
// A builder begins with room for the frame and a short result.
constexpr size_t kReservedBytes = 56;
// LeaveOutLast keeps smaller payloads.
constexpr size_t kSmallPayloadBytes = 1 << 10;
// Finish moves results of at least this size, and copies smaller ones.
constexpr size_t kTakenFromBytes = 64 << 10;

constexpr uint8_t kRefusedBit = 1 << 0;  // In the frame.

// In a result's head.
constexpr uint8_t kWroteBit = 1 << 0;
constexpr uint8_t kDuplicateBit = 1 << 1;
constexpr uint8_t kVersionBit = 1 << 2;  // A version follows the head.

void AppendFrame(std::string* out, const Version& entry, uint8_t bits) {
  char frame[kFrameBytes] = {};
  StoreFixed(frame, kResultVersion);
  StoreFixed(frame + 1, bits);
  // Behind two bytes of zero: the count, which Finish stores.
  StoreFixed(frame + 8, entry.index.value());
  StoreFixed(frame + 16, entry.group.value());
  StoreFixed(frame + 20, entry.position);
  out->append(frame, sizeof(frame));
}

}  // namespace

std::string_view ResultStatusName(ResultStatus status) {
  switch (status) {
    case ResultStatus::kOk:
      return "ok";
    case ResultStatus::kNil:
      return "nil";
    case ResultStatus::kConditionFailed:
      return "condition_failed";
    case ResultStatus::kWrongType:
      return "wrong_type";
    case ResultStatus::kNotInteger:
      return "not_integer";
    case ResultStatus::kOverflow:
      return "overflow";
    case ResultStatus::kNotFloat:
      return "not_float";
    case ResultStatus::kTooLarge:
      return "too_large";
    case ResultStatus::kNotOwner:
      return "not_owner";
    case ResultStatus::kSessionExpired:
      return "session_expired";
    case ResultStatus::kStaleSequence:
      return "stale_sequence";
    case ResultStatus::kSequenceReused:
      return "sequence_reused";
    case ResultStatus::kTooManyOutstanding:
      return "too_many_outstanding";
    case ResultStatus::kTooManySessions:
      return "too_many_sessions";
    case ResultStatus::kMalformed:
      return "malformed";
    case ResultStatus::kOutOfMemory:
      return "out_of_memory";
    case ResultStatus::kResultNotKept:
      return "result_not_kept";
  }
  return "invalid";
}

namespace {

bool TakeWholeResults(FixedReader* reader, uint32_t count, bool nested);

// Checks the payload of one result, which must be exactly `bytes`.
bool PayloadIsWhole(PayloadKind kind, std::string_view bytes, bool nested) {
  FixedReader reader(bytes);
  switch (kind) {
    case PayloadKind::kNone:
      return bytes.empty();
    case PayloadKind::kInteger:
      return bytes.size() == sizeof(int64_t);
    case PayloadKind::kBytes:
      return true;
    case PayloadKind::kArray: {
      const auto count = reader.Take<uint32_t>();
      for (uint32_t i = 0; i < count && reader.ok(); ++i) {
        const auto size = reader.Take<uint32_t>();
        if (size != kNilSize) reader.TakeBytes(size);
      }
      return reader.ok() && reader.rest().empty();
    }
    case PayloadKind::kNested: {
      const auto count = reader.Take<uint32_t>();
      return !nested && reader.ok() &&
             TakeWholeResults(&reader, count, /*nested=*/true) &&
             reader.rest().empty();
    }
  }
  return false;
}

bool TakeWholeResults(FixedReader* reader, uint32_t count, bool nested) {
  for (uint32_t i = 0; i < count; ++i) {
    const auto status = static_cast<ResultStatus>(reader->Take<uint8_t>());
    const auto kind = static_cast<PayloadKind>(reader->Take<uint8_t>());
    const auto bits = reader->Take<uint8_t>();
    reader->Take<uint8_t>();
    const auto size = reader->Take<uint32_t>();
    if ((bits & kVersionBit) != 0) reader->TakeBytes(2 * sizeof(uint64_t));
    const std::string_view bytes = reader->TakeBytes(size);
    if (!reader->ok() || ResultStatusName(status) == "invalid" ||
        !PayloadIsWhole(kind, bytes, nested)) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool ResultsAreWhole(std::string_view results, uint32_t count) {
  const ResultReader frame(results);
  if (!frame.ok()) return false;
  if (!frame.batch_accepted()) return frame.count() == 0;
  if (frame.count() != count) return false;
  FixedReader reader(results.substr(kFrameBytes));
  return TakeWholeResults(&reader, count, /*nested=*/false) &&
         reader.rest().empty();
}

ResultReader::ResultReader(std::string_view results) {
  FixedReader reader(results);
  const auto version = reader.Take<uint8_t>();
  const auto bits = reader.Take<uint8_t>();
  reader.Take<uint16_t>();
  const auto count = reader.Take<uint32_t>();
  base_.index = raft::Index(reader.Take<uint64_t>());
  base_.group = GroupId(reader.Take<uint32_t>());
  base_.position = reader.Take<uint32_t>();
  ok_ = reader.ok() && version == kResultVersion;
  if (!ok_) return;
  batch_accepted_ = (bits & kRefusedBit) == 0;
  count_ = count;
  rest_ = reader.rest();
}

ResultReader ResultReader::Nested(const ResultView& atomic) {
  ResultReader nested;
  FixedReader reader(atomic.bytes);
  const auto count = reader.Take<uint32_t>();
  nested.ok_ = atomic.kind == PayloadKind::kNested && reader.ok();
  if (!nested.ok_) return nested;
  nested.count_ = count;
  nested.rest_ = reader.rest();
  nested.base_ = atomic.version;
  nested.nested_ = true;
  return nested;
}

ResultView ResultReader::Next() {
  CHECK(ok_);
  CHECK_LT(next_, count_);
  FixedReader reader(rest_);
  ResultView result;
  result.status = static_cast<ResultStatus>(reader.Take<uint8_t>());
  result.kind = static_cast<PayloadKind>(reader.Take<uint8_t>());
  const auto bits = reader.Take<uint8_t>();
  reader.Take<uint8_t>();
  const auto size = reader.Take<uint32_t>();
  result.wrote = (bits & kWroteBit) != 0;
  result.duplicate = (bits & kDuplicateBit) != 0;
  result.version = base_;
  if (!nested_) result.version.position += next_;
  if ((bits & kVersionBit) != 0) {
    result.version.group = GroupId(reader.Take<uint32_t>());
    result.version.position = reader.Take<uint32_t>();
    result.version.index = raft::Index(reader.Take<uint64_t>());
  }
  result.bytes = reader.TakeBytes(size);
  CHECK(reader.ok()) << "results are made by this process";
  if (result.kind == PayloadKind::kInteger) {
    CHECK_EQ(result.bytes.size(), sizeof(int64_t));
    result.integer = LoadFixed<int64_t>(result.bytes.data());
  }
  rest_ = reader.rest();
  ++next_;
  return result;
}

ArrayReader::ArrayReader(std::string_view payload) {
  FixedReader reader(payload);
  count_ = reader.Take<uint32_t>();
  rest_ = reader.rest();
}

bool ArrayReader::Next(std::string_view* bytes) {
  CHECK_LT(next_, count_);
  ++next_;
  FixedReader reader(rest_);
  const auto size = reader.Take<uint32_t>();
  const bool nil = size == kNilSize;
  *bytes = nil ? std::string_view() : reader.TakeBytes(size);
  CHECK(reader.ok()) << "results are made by this process";
  rest_ = reader.rest();
  return !nil;
}

Buffer SliceOf(const Buffer& buffer, std::string_view bytes) {
  if (bytes.empty()) return Buffer();
  CHECK(bytes.data() >= buffer.data());
  return buffer.Slice(static_cast<size_t>(bytes.data() - buffer.data()),
                      bytes.size());
}

ResultView ShareValue(const ResultView& result, const Buffer& all,
                      Buffer* slice) {
  ResultView shared = result;
  if (result.kind == PayloadKind::kBytes &&
      result.bytes.size() > all.size() / 2) {
    *slice = SliceOf(all, result.bytes);
    shared.shared = slice;
  }
  return shared;
}

ResultBuilder::ResultBuilder(const Version& entry) : base_(entry) {
  bytes_.reserve(kReservedBytes);
  AppendFrame(&bytes_, entry, /*bits=*/0);
}

void ResultBuilder::AddHead(const ResultView& head, PayloadKind kind,
                            size_t payload_bytes) {
  CHECK_EQ(array_offset_, 0u);
  Version implied = base_;
  if (nest_offset_ != 0) {
    implied = nest_version_;
    ++nest_count_;
  } else {
    implied.position += count_++;
    last_offset_ = bytes_.size();
  }
  uint8_t bits = 0;
  if (head.wrote) bits |= kWroteBit;
  if (head.duplicate) bits |= kDuplicateBit;
  if (head.version != implied) bits |= kVersionBit;
  char bytes[kHeadBytes + kVersionBytes];
  StoreFixed(bytes, static_cast<uint8_t>(head.status));
  StoreFixed(bytes + 1, static_cast<uint8_t>(kind));
  StoreFixed(bytes + 2, bits);
  StoreFixed(bytes + 3, uint8_t{0});
  StoreFixed(bytes + 4, static_cast<uint32_t>(payload_bytes));
  if ((bits & kVersionBit) != 0) {
    StoreFixed(bytes + kHeadBytes, head.version.group.value());
    StoreFixed(bytes + kHeadBytes + 4, head.version.position);
    StoreFixed(bytes + kHeadBytes + 8, head.version.index.value());
  }
  bytes_.append(bytes, (bits & kVersionBit) != 0 ? sizeof(bytes) : kHeadBytes);
}

void ResultBuilder::Add(const ResultView& result) {
  if (!result.elements.empty()) {
    BeginArray(result, static_cast<uint32_t>(result.elements.size()));
    for (const ResultElement& element : result.elements) {
      element.nil ? AddNil() : AddElement(element.bytes);
    }
    return EndArray();
  }
  if (result.kind == PayloadKind::kInteger) {
    return AddInteger(result, result.integer);
  }
  AddEncoded(result);
}

void ResultBuilder::AddInteger(const ResultView& head, int64_t value) {
  AddHead(head, PayloadKind::kInteger, sizeof(value));
  AppendFixed<int64_t>(&bytes_, value);
}

void ResultBuilder::AddBytes(const ResultView& head, std::string_view bytes) {
  AddHead(head, PayloadKind::kBytes, bytes.size());
  bytes_.append(bytes);
}

void ResultBuilder::AddNone(const ResultView& head) {
  AddHead(head, PayloadKind::kNone, 0);
}

void ResultBuilder::AddEncoded(const ResultView& head) {
  AddHead(head, head.kind, head.bytes.size());
  bytes_.append(head.bytes);
}

void ResultBuilder::BeginArray(const ResultView& head, uint32_t count) {
  const size_t offset = bytes_.size();
  AddHead(head, PayloadKind::kArray, 0);
  array_offset_ = offset;
  array_payload_ = bytes_.size();
  AppendFixed<uint32_t>(&bytes_, count);
}

void ResultBuilder::AddElement(std::string_view bytes) {
  CHECK_NE(array_offset_, 0u);
  AppendFixed<uint32_t>(&bytes_, static_cast<uint32_t>(bytes.size()));
  bytes_.append(bytes);
}

void ResultBuilder::AddNil() {
  CHECK_NE(array_offset_, 0u);
  AppendFixed<uint32_t>(&bytes_, kNilSize);
}

void ResultBuilder::EndArray() {
  CHECK_NE(array_offset_, 0u);
  StoreFixed<uint32_t>(bytes_.data() + array_offset_ + kHeadBytes - 4,
                       static_cast<uint32_t>(bytes_.size() - array_payload_));
  array_offset_ = 0;
}

void ResultBuilder::BeginNested(const ResultView& head) {
  CHECK_EQ(nest_offset_, 0u);
  const size_t offset = bytes_.size();
  AddHead(head, PayloadKind::kNested, 0);
  nest_offset_ = offset;
  nest_payload_ = bytes_.size();
  nest_version_ = head.version;
  nest_count_ = 0;
  AppendFixed<uint32_t>(&bytes_, 0);  // Count, in EndNested.
}

void ResultBuilder::EndNested(bool wrote) {
  CHECK_NE(nest_offset_, 0u);
  StoreFixed<uint32_t>(bytes_.data() + nest_payload_, nest_count_);
  StoreFixed<uint32_t>(bytes_.data() + nest_offset_ + kHeadBytes - 4,
                       static_cast<uint32_t>(bytes_.size() - nest_payload_));
  if (wrote) bytes_[nest_offset_ + 2] |= kWroteBit;
  nest_offset_ = 0;
}

ResultView ResultBuilder::last() const {
  CHECK_GT(count_, 0u);
  CHECK_EQ(nest_offset_, 0u);
  ResultReader reader{};
  reader.ok_ = true;
  reader.rest_ = std::string_view(bytes_).substr(last_offset_);
  reader.count_ = count_;
  reader.next_ = count_ - 1;
  reader.base_ = base_;
  return reader.Next();
}

void ResultBuilder::LeaveOutLast() {
  const ResultView result = last();
  if (result.bytes.size() <= kSmallPayloadBytes) return;
  const ResultView head = {.status = ResultStatus::kResultNotKept,
                           .wrote = result.wrote,
                           .version = result.version};
  bytes_.resize(last_offset_);
  --count_;
  AddNone(head);
}

Buffer ResultBuilder::Finish() {
  CHECK_EQ(nest_offset_, 0u);
  StoreFixed<uint32_t>(bytes_.data() + 4, count_);
  return bytes_.size() < kTakenFromBytes ? Buffer::Copy(bytes_)
                                         : Buffer::Take(std::move(bytes_));
}

Buffer ResultBuilder::Refused(const Version& entry) {
  std::string bytes;
  AppendFrame(&bytes, entry, kRefusedBit);
  return Buffer::Copy(bytes);
}

}  // namespace quorate::kv
