#include "lincheck/formats/json_lines.h"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lincheck/models/transaction.h"
#include "lincheck/models/value_list.h"
#include "lincheck/text/json.h"
#include "lincheck/text/names.h"
#include "lincheck/text/utf8.h"

namespace quorate::lincheck {
namespace {

enum Field : uint8_t {
  kClient,
  kKey,
  kFunction,
  kArg,
  kExpected,
  kResult,
  kInvoke,
  kReturn,
  kSeen,
  kWritten,
  kEvent,
  kAt,
  kUntil,
  kNode,
  kText,
  kVersion,
  kModel,
  kUnit,
  kFieldCount,
};
constexpr std::string_view kNames[kFieldCount] = {
    "client", "key",    "f",    "arg",      "expected", "result",
    "invoke", "return", "seen", "written",  "event",    "at",
    "until",  "node",   "text", "lincheck", "model",    "unit"};

constexpr uint32_t Bit(Field field) { return uint32_t{1} << field; }
constexpr uint32_t kOperationFields =
    Bit(kClient) | Bit(kKey) | Bit(kFunction) | Bit(kArg) | Bit(kExpected) |
    Bit(kResult) | Bit(kInvoke) | Bit(kReturn) | Bit(kSeen) | Bit(kWritten);
constexpr uint32_t kEventFields =
    Bit(kEvent) | Bit(kAt) | Bit(kUntil) | Bit(kNode) | Bit(kText);
constexpr uint32_t kHeaderFields = Bit(kVersion) | Bit(kModel) | Bit(kUnit);

Field FindField(std::string_view name) {
  Field field = kFieldCount;
  ParseName(name, kNames, &field);
  return field;
}

class Reader {
 public:
  Reader(Window* window, std::string_view model,
         absl::Span<const ModelEntry> own)
      : window_(window), model_(model), own_(own) {}

  absl::StatusOr<Recording> Run();

 private:
  // One line's fields.
  struct Fields {
    uint32_t present = 0;
    uint32_t lists = 0;                       // Which of them are arrays.
    std::array<size_t, kFieldCount> offsets;  // Where their values begin.
    int64_t client = 0;
    uint32_t partition = 0;
    const FunctionForm* form = nullptr;
    Value arg, expected, result;
    Time invoke = 0, ret = kNever;
    int64_t seen = 0, written = 0;
    TimelineEvent event;
    int64_t version = 0;
    std::string model, unit;

    bool has(Field field) const { return (present & Bit(field)) != 0; }
  };

  bool ReadLine(JsonCursor* cursor, Fields* fields);
  bool ReadField(Field field, JsonCursor* cursor, Fields* fields);
  bool ReadTextField(Field field, JsonCursor* cursor, Fields* fields);
  bool ReadValue(Field field, JsonCursor* cursor, Fields* fields, Value* value);
  bool ReadHex(JsonCursor* cursor, Value* value);
  bool TakeHeader(JsonCursor* cursor, const Fields& fields);
  bool TakeEvent(JsonCursor* cursor, const Fields& fields);
  bool TakeOperation(JsonCursor* cursor, Fields* fields);
  bool CheckArguments(JsonCursor* cursor, const Fields& fields);
  bool CheckResult(JsonCursor* cursor, Fields* fields);
  bool CheckVersions(JsonCursor* cursor, const Operation& op,
                     const Fields& fields);
  bool Require(JsonCursor* cursor, const Fields& fields, uint32_t wanted);
  bool Only(JsonCursor* cursor, const Fields& fields, uint32_t known,
            std::string_view what);

  Window* const window_;
  const std::string_view model_;
  const absl::Span<const ModelEntry> own_;
  std::optional<Vocabulary> vocabulary_;
  Recording recording_;
  std::string last_key_;
  uint32_t last_partition_ = 0;
  bool any_key_ = false;
  std::unique_ptr<Model> told_model_;  // Once versions are told.
  // By partition: what was written. Looked up only.
  std::vector<absl::flat_hash_set<StateVersion>> written_;
};

absl::StatusOr<Recording> Reader::Run() {
  LineReader lines(window_);
  Line line;
  bool header_seen = false;
  for (;;) {
    absl::StatusOr<bool> more = lines.Next(&line);
    if (!more.ok()) return std::move(more).status();
    if (!*more) break;
    JsonCursor cursor(line.text);
    if (cursor.AtEnd()) continue;
    Fields fields;
    bool good = ReadLine(&cursor, &fields);
    if (good && !header_seen) {
      header_seen = true;
      good = TakeHeader(&cursor, fields);
    } else if (good && fields.has(kEvent)) {
      good = TakeEvent(&cursor, fields);
    } else if (good) {
      good = TakeOperation(&cursor, &fields);
    }
    if (!good) {
      std::string reason = cursor.error();
      if (!line.terminated) reason += " (the last line has no end: cut short?)";
      return BadInput(lines.PositionOf(line, cursor.error_offset()), reason);
    }
  }
  if (!header_seen) {
    return BadInput(window_->position(), "no header: the file is empty");
  }
  return std::move(recording_);
}

bool Reader::ReadLine(JsonCursor* cursor, Fields* fields) {
  if (!cursor->Expect('{')) return false;
  if (!cursor->Take('}')) {
    do {
      cursor->Peek();
      const size_t at = cursor->offset();
      std::string_view name;
      if (!cursor->ReadName(&name)) return false;
      const Field field = FindField(name);
      if (field == kFieldCount) {
        return cursor->Fail(
            at, absl::StrCat("no field is called \"", std::string(name), "\""));
      }
      if (fields->has(field)) {
        return cursor->Fail(at, absl::StrCat("\"", std::string(name),
                                             "\" for the second time"));
      }
      fields->present |= Bit(field);
      cursor->Peek();
      fields->offsets[field] = cursor->offset();
      if (!ReadField(field, cursor, fields)) return false;
    } while (cursor->Take(','));
    if (!cursor->Expect('}')) return false;
  }
  if (!cursor->AtEnd()) {
    return cursor->Fail(cursor->offset(), "something follows the object");
  }
  return true;
}

bool Reader::ReadField(Field field, JsonCursor* cursor, Fields* fields) {
  switch (field) {
    case kClient:
      if (!cursor->ReadInteger(&fields->client)) return false;
      if (fields->client < 0 ||
          fields->client > std::numeric_limits<uint32_t>::max()) {
        return cursor->Fail(fields->offsets[field],
                            "a client is a number from 0 to 4294967295");
      }
      return true;
    case kArg:
      return ReadValue(field, cursor, fields, &fields->arg);
    case kExpected:
      return ReadValue(field, cursor, fields, &fields->expected);
    case kResult:
      return ReadValue(field, cursor, fields, &fields->result);
    case kInvoke:
      return cursor->ReadInteger(&fields->invoke);
    case kAt:
      return cursor->ReadInteger(&fields->event.at);
    case kReturn:
    case kUntil: {
      // Null is the same as nothing.
      std::string_view word;
      if (cursor->Peek() == 'n') return cursor->ReadWord(&word);
      Time* const time = field == kReturn ? &fields->ret : &fields->event.until;
      if (!cursor->ReadInteger(time)) return false;
      if (*time == kNever) {
        return cursor->Fail(fields->offsets[field], "a time out of range");
      }
      return true;
    }
    case kSeen:
    case kWritten: {
      int64_t* const version =
          field == kSeen ? &fields->seen : &fields->written;
      if (!cursor->ReadInteger(version)) return false;
      if (*version < (field == kSeen ? 1 : 2)) {
        return cursor->Fail(fields->offsets[field],
                            "versions count from 1, which is the state before "
                            "every write");
      }
      return true;
    }
    case kVersion:
      return cursor->ReadInteger(&fields->version);
    default:
      return ReadTextField(field, cursor, fields);
  }
}

bool Reader::ReadTextField(Field field, JsonCursor* cursor, Fields* fields) {
  std::string_view text;
  const size_t at = fields->offsets[field];
  if (field == kKey && cursor->Peek() != '"') {
    // A number is taken for its digits.
    int64_t number = 0;
    if (!cursor->ReadInteger(&number)) return false;
    text = cursor->Since(at);
  } else if (!cursor->ReadString(&text)) {
    return false;
  }
  switch (field) {
    case kKey:
      // Runs of one key are common.
      if (!any_key_ || text != last_key_) {
        last_key_ = text;
        last_partition_ = recording_.history.Partition(text);
        any_key_ = true;
      }
      fields->partition = last_partition_;
      return true;
    case kFunction:
      if (!vocabulary_.has_value()) return true;  // The header will be missed.
      fields->form = vocabulary_->Find(text);
      if (fields->form != nullptr) return true;
      return cursor->Fail(at,
                          absl::StrCat("the model ", vocabulary_->model(),
                                       " has no function \"", std::string(text),
                                       "\"; it has ", vocabulary_->Names()));
    case kEvent:
      return ParseName(text, kTimelineEventKinds, &fields->event.kind) ||
             cursor->Fail(at, "an event is a fault, a leader or a note");
    case kNode:
      fields->event.node = text;
      return true;
    case kText:
      fields->event.text = text;
      return true;
    case kModel:
      fields->model = text;
      return true;
    default:
      fields->unit = text;
      return true;
  }
}

bool Reader::ReadValue(Field field, JsonCursor* cursor, Fields* fields,
                       Value* value) {
  const char next = cursor->Peek();
  const size_t at = cursor->offset();
  if (next == '"') {
    std::string_view text;
    if (!cursor->ReadString(&text)) return false;
    *value = recording_.history.String(text);
    return true;
  }
  if (next == '-' || (next >= '0' && next <= '9')) {
    int64_t number = 0;
    if (!cursor->ReadInteger(&number)) return false;
    if (number < Value::kIntegerMin || number > Value::kIntegerMax) {
      return cursor->Fail(at,
                          "integers beyond 2^61 - 1 are written as strings");
    }
    *value = Value::Integer(number);
    return true;
  }
  if (next == '{') return ReadHex(cursor, value);
  if (next == '[') {
    std::vector<Datum> items;
    if (!ReadList(cursor, &items)) return false;
    *value = recording_.history.String(FormatList(items));
    fields->lists |= Bit(field);
    return true;
  }
  std::string_view word;
  if (!cursor->ReadWord(&word)) return false;
  *value = word == "null" ? Value::Nil() : Value::Integer(word == "true");
  return true;
}

bool Reader::ReadHex(JsonCursor* cursor, Value* value) {
  const size_t at = cursor->offset();
  std::string_view name;
  std::string_view digits;
  if (!cursor->Expect('{') || !cursor->ReadName(&name)) return false;
  if (name != "hex") {
    return cursor->Fail(at, "an object as a value is {\"hex\":\"…\"}");
  }
  if (!cursor->ReadString(&digits)) return false;
  const bool good =
      digits.size() % 2 == 0 &&
      digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!good) return cursor->Fail(at, "pairs of digits 0-9 and a-f expected");
  *value = recording_.history.String(
      absl::HexStringToBytes(absl::string_view(digits.data(), digits.size())));
  return cursor->Expect('}');
}

// All of `wanted` are there.
bool Reader::Require(JsonCursor* cursor, const Fields& fields,
                     uint32_t wanted) {
  for (int i = 0; i < kFieldCount; ++i) {
    if ((wanted & Bit(static_cast<Field>(i))) == 0 ||
        fields.has(static_cast<Field>(i))) {
      continue;
    }
    return cursor->Fail(cursor->offset() > 0 ? cursor->offset() - 1 : 0,
                        absl::StrCat("\"", std::string(kNames[i]),
                                     "\" is missing in this line"));
  }
  return true;
}

bool Reader::Only(JsonCursor* cursor, const Fields& fields, uint32_t known,
                  std::string_view what) {
  for (int i = 0; i < kFieldCount; ++i) {
    const auto field = static_cast<Field>(i);
    if (!fields.has(field) || (known & Bit(field)) != 0) continue;
    return cursor->Fail(
        fields.offsets[i],
        absl::StrCat("\"", std::string(kNames[i]), "\" does not belong to ",
                     std::string(what)));
  }
  return true;
}

bool Reader::TakeHeader(JsonCursor* cursor, const Fields& fields) {
  if (!fields.has(kVersion)) {
    return cursor->Fail(
        0, "the first line is the header, {\"lincheck\":1,\"model\":\"kv\"}");
  }
  if (!Only(cursor, fields, kHeaderFields, "the header")) return false;
  if (fields.version != kJsonLinesVersion) {
    return cursor->Fail(fields.offsets[kVersion],
                        absl::StrCat("version ", fields.version,
                                     " of this form is not known; this reads ",
                                     kJsonLinesVersion));
  }
  if (fields.has(kUnit) &&
      !ParseName(fields.unit, kTimeUnits, &recording_.unit)) {
    return cursor->Fail(fields.offsets[kUnit],
                        "a unit is one of order, ns, us, ms");
  }
  recording_.form = "jsonl";
  recording_.model = model_.empty() ? fields.model : std::string(model_);
  if (recording_.model.empty()) {
    return cursor->Fail(0, "the header names no model, and nothing else does");
  }
  vocabulary_ = Vocabulary::Of(recording_.model, own_);
  if (!vocabulary_.has_value()) {
    return cursor->Fail(
        model_.empty() ? fields.offsets[kModel] : 0,
        absl::StrCat("no model is called \"", recording_.model, "\""));
  }
  return true;
}

bool Reader::TakeEvent(JsonCursor* cursor, const Fields& fields) {
  if (!Only(cursor, fields, kEventFields, "an event") ||
      !Require(cursor, fields, Bit(kAt))) {
    return false;
  }
  if (fields.event.until < fields.event.at) {
    return cursor->Fail(fields.offsets[kUntil], "it ends before it begins");
  }
  recording_.events.push_back(fields.event);
  return true;
}

bool Reader::TakeOperation(JsonCursor* cursor, Fields* fields) {
  if (!Only(cursor, *fields, kOperationFields, "an operation") ||
      !Require(cursor, *fields, Bit(kClient) | Bit(kFunction) | Bit(kInvoke))) {
    return false;
  }
  if (fields->ret < fields->invoke) {
    return cursor->Fail(fields->offsets[kReturn],
                        "it returns before it is invoked");
  }
  if (!CheckArguments(cursor, *fields) || !CheckResult(cursor, fields)) {
    return false;
  }
  if (!fields->has(kKey)) {
    fields->partition = recording_.history.Partition("");
  }
  const Operation op{.invoke = fields->invoke,
                     .ret = fields->ret,
                     .client = static_cast<uint32_t>(fields->client),
                     .partition = fields->partition,
                     .function = fields->form->function,
                     .argument = fields->arg,
                     .expected = fields->expected,
                     .result = fields->result,
                     .seen = static_cast<StateVersion>(fields->seen),
                     .written = static_cast<StateVersion>(fields->written)};
  if (!CheckVersions(cursor, op, *fields)) return false;
  recording_.history.Add(op);
  return true;
}

bool Reader::CheckVersions(JsonCursor* cursor, const Operation& op,
                           const Fields& fields) {
  if (fields.has(kSeen) && !op.known()) {
    return cursor->Fail(fields.offsets[kSeen],
                        "a version seen, but no \"return\"");
  }
  if (!fields.has(kWritten)) return true;
  const size_t at = fields.offsets[kWritten];
  if (told_model_ == nullptr) {
    told_model_ = FindModelAmong(vocabulary_->model(), own_)->make();
  }
  Operation call = op;
  call.ret = kNever;
  call.result = {};
  if (told_model_->IsRead(call)) {
    return cursor->Fail(
        at, absl::StrCat(std::string(fields.form->name), " writes nothing"));
  }
  if (op.partition >= written_.size()) written_.resize(op.partition + 1);
  return written_[op.partition].insert(op.written).second ||
         cursor->Fail(at, absl::StrCat("version ", op.written,
                                       " of this key for the second time"));
}

bool Reader::CheckArguments(JsonCursor* cursor, const Fields& fields) {
  const ArgumentForm form = fields.form->argument;
  if (form == ArgumentForm::kAny) return true;
  const bool two = form == ArgumentForm::kPair || form == ArgumentForm::kFor;
  const std::string name(fields.form->name);
  const uint32_t wanted = (form == ArgumentForm::kNone ? 0 : Bit(kArg)) |
                          (two ? Bit(kExpected) : 0);
  if (!Require(cursor, fields, wanted) ||
      !Only(cursor, fields,
            (kOperationFields & ~(Bit(kArg) | Bit(kExpected))) | wanted,
            name)) {
    return false;
  }
  const auto fail = [&](Field field, std::string_view what) {
    return cursor->Fail(fields.offsets[field],
                        absl::StrCat(name, " takes ", std::string(what)));
  };
  if (form == ArgumentForm::kTriples) {
    if (!fields.arg.is_string()) return fail(kArg, "a list of triples");
    std::vector<Datum> triples;
    const std::string_view why = Transaction::Read(fields.arg, &triples);
    return why.empty() || cursor->Fail(fields.offsets[kArg], std::string(why));
  }
  for (Field field : {kArg, kExpected}) {
    if ((fields.lists & Bit(field)) != 0) {
      return fail(field, "a value: null, an integer or a string");
    }
  }
  if (form == ArgumentForm::kText && !fields.arg.is_string()) {
    return fail(kArg, "a string");
  }
  if (form == ArgumentForm::kItem && fields.arg.is_nil()) {
    return fail(kArg, "a value that is not null");
  }
  if (form == ArgumentForm::kInteger && !IntegerOf(fields.arg)) {
    return fail(kArg, "an integer");
  }
  if (form == ArgumentForm::kDuration && !fields.arg.is_integer()) {
    return fail(kArg, "an integer for how long");
  }
  if (form == ArgumentForm::kFor && !fields.expected.is_integer()) {
    return fail(kExpected, "an integer for how long");
  }
  return true;
}

bool Reader::CheckResult(JsonCursor* cursor, Fields* fields) {
  if (!fields->has(kResult)) return true;
  const size_t at = fields->offsets[kResult];
  const ResultForm form = fields->form->result;
  const Value result = fields->result;
  const std::string name(fields->form->name);
  if (fields->ret == kNever) {
    return cursor->Fail(at, "a result, but no \"return\"");
  }
  if (form == ResultForm::kAny) return true;
  const auto fail = [&](std::string_view what) {
    return cursor->Fail(
        at, absl::StrCat("the result of ", name, " is ", std::string(what)));
  };
  if (form == ResultForm::kNone) {
    // Nil says as much as nothing.
    if (!result.is_nil()) {
      return cursor->Fail(at, absl::StrCat(name, " has no result"));
    }
    fields->result = {};
    return true;
  }
  if (form == ResultForm::kTriples) {
    if (!result.is_string()) return fail("a list of triples");
    const std::string_view why = WhyNotResultOf(fields->arg, result);
    return why.empty() || cursor->Fail(at, std::string(why));
  }
  if (form == ResultForm::kList) {
    std::vector<Datum> items;
    return (result.is_string() && ParseList(result.bytes(), &items)) ||
           fail("a list");
  }
  if ((fields->lists & Bit(kResult)) != 0) {
    return fail("a value: null, an integer or a string");
  }
  if (form == ResultForm::kToken) {
    return result.is_nil() || IntegerOf(result) || fail("an integer, or null");
  }
  if (form == ResultForm::kInteger) {
    return IntegerOf(result) || fail("an integer");
  }
  if (form == ResultForm::kFlag || form == ResultForm::kDone) {
    return result == Value::Integer(0) || result == Value::Integer(1) ||
           fail("true or false");
  }
  return true;
}

std::string ValueAsJson(Value value, bool list) {
  if (value.is_integer()) return std::to_string(value.integer());
  if (!value.is_string()) return "null";
  const std::string_view bytes = value.bytes();
  if (FindInvalidUtf8(bytes) != std::string_view::npos) {
    return absl::StrCat(
        "{\"hex\":\"",
        absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size())),
        "\"}");
  }
  if (list) return std::string(bytes);  // It is JSON.
  std::string text;
  AppendJsonString(bytes, &text);
  return text;
}

}  // namespace

absl::StatusOr<Recording> ReadJsonLines(Window* window, std::string_view model,
                                        absl::Span<const ModelEntry> own) {
  return Reader(window, model, own).Run();
}

void JsonLinesWriter::Header(TimeUnit unit) {
  JsonWriter json(out_);
  json.Open('{');
  json.Name("lincheck").Number(kJsonLinesVersion);
  json.Name("model").Text(name_);
  json.Name("unit").Text(TimeUnitName(unit));
  json.Close('}');
  *out_ += '\n';
}

void JsonLinesWriter::Add(const Operation& op, std::string_view key) {
  const std::string_view function = model_.FunctionName(op.function);
  const FunctionForm* const form =
      vocabulary_.has_value() ? vocabulary_->Find(function) : nullptr;
  const bool list_argument =
      form != nullptr && form->argument == ArgumentForm::kTriples;
  const bool list_result =
      form != nullptr && (form->result == ResultForm::kTriples ||
                          form->result == ResultForm::kList);
  JsonWriter json(out_);
  const auto add = [&](std::string_view field, Value value, bool list) {
    if (!value.is_none()) json.Name(field).Raw(ValueAsJson(value, list));
  };
  json.Open('{');
  json.Name("client").Number(op.client);
  json.Name("key").Text(key);
  json.Name("f").Text(function);
  add("expected", op.expected, false);
  add("arg", op.argument, list_argument);
  if (op.known()) add("result", op.result, list_result);
  json.Name("invoke").Number(op.invoke);
  if (op.known()) json.Name("return").Number(op.ret);
  if (op.known() && op.seen != kNoVersion) json.Name("seen").Number(op.seen);
  if (op.written != kNoVersion) json.Name("written").Number(op.written);
  json.Close('}');
  *out_ += '\n';
}

void JsonLinesWriter::Add(const TimelineEvent& event) {
  JsonWriter json(out_);
  json.Open('{');
  json.Name("event").Text(TimelineEventKindName(event.kind));
  json.Name("at").Number(event.at);
  if (event.until != kNever) json.Name("until").Number(event.until);
  if (!event.node.empty()) json.Name("node").Text(event.node);
  if (!event.text.empty()) json.Name("text").Text(event.text);
  json.Close('}');
  *out_ += '\n';
}

std::string WriteJsonLines(const Recording& recording, const Model& model) {
  std::string out;
  JsonLinesWriter writer(model, recording.model, &out);
  writer.Header(recording.unit);
  for (const TimelineEvent& event : recording.events) writer.Add(event);
  for (const Operation& op : recording.history.operations()) {
    writer.Add(op, recording.history.partition_name(op.partition));
  }
  return out;
}

}  // namespace quorate::lincheck
