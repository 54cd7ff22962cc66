#include "lincheck/formats/read.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lincheck/formats/edn.h"
#include "lincheck/formats/jepsen.h"
#include "lincheck/formats/jepsen_calls.h"
#include "lincheck/formats/json_lines.h"
#include "lincheck/formats/vocabulary.h"
#include "lincheck/formats/window.h"

namespace quorate::lincheck {
namespace {

// A log may say much before its first operation.
constexpr size_t kLookedAtBytesMax = size_t{16} << 20;
constexpr size_t kFormsLookedAtMax = 4096;
constexpr std::string_view kNoForm =
    "this looks like no form of history that is known: JSON lines begin with "
    "{\"lincheck\":1, EDN with a map or a vector of maps, a Jepsen log has "
    "lines of jepsen.util; --format names one";

// Facts that the first forms of a file of EDN show.
struct EdnBeginning {
  bool any_map = false;
  bool keys = false;  // The first entry of a client has a :key.
  std::vector<std::string> functions;  // Of clients, each once.
  GuessHints hints;
};

class EdnPeek {
 public:
  explicit EdnPeek(std::string_view text) { Look(text); }
  const EdnBeginning& beginning() const { return beginning_; }

 private:
  void Look(std::string_view text) {
    text.remove_prefix(CountEdnBlanks(text));
    if (!text.empty() && (text[0] == '[' || text[0] == '(')) {
      text.remove_prefix(1);
    }
    EdnParser edn;
    for (size_t i = 0; i < kFormsLookedAtMax; ++i) {
      if (edn.Parse(text, /*complete=*/false) != EdnParser::Outcome::kForm) {
        return;
      }
      uint32_t map = 0;
      while (edn.node(map).kind == EdnKind::kTagged) ++map;
      if (edn.node(map).kind != EdnKind::kMap) return;
      LookAtMap(edn, map);
      text.remove_prefix(edn.used());
    }
  }
  static bool Is(const EdnParser& edn, uint32_t value, EdnKind kind) {
    return edn.node(value).kind == kind;
  }
  // The second of two; kNoNode if `value` is no pair.
  static uint32_t SecondOf(const EdnParser& edn, uint32_t value) {
    if (value == kNoNode || !IsPair(edn, value)) return kNoNode;
    return edn.node(value + 1).end;
  }
  // An integer, or a key and one where a call with a key and nil came before.
  bool GivesInteger(const EdnParser& edn, uint32_t value) {
    if (value == kNoNode) return false;
    const uint32_t second = SecondOf(edn, value);
    if (second == kNoNode) return Is(edn, value, EdnKind::kInteger);
    keyed_ |= Is(edn, second, EdnKind::kNil);
    return keyed_ && Is(edn, second, EdnKind::kInteger);
  }
  void LookAtMap(const EdnParser& edn, uint32_t map) {
    uint32_t twice = kNoNode;
    const JepsenEntry entry = EntryOf(edn, map, &twice);
    beginning_.any_map = true;
    if (entry.process == kNoNode || entry.function == kNoNode ||
        !Is(edn, entry.process, EdnKind::kInteger)) {
      return;
    }
    const std::string function(edn.Text(edn.node(entry.function)));
    if (beginning_.functions.empty()) beginning_.keys = entry.key != kNoNode;
    const bool ok = entry.type != kNoNode && edn.IsKeyword(entry.type, "ok");
    const bool releases = function == "release" || function == "unlock";
    const bool acquires = function == "acquire" || function == "lock";
    const bool integer = GivesInteger(edn, entry.value);
    GuessHints& hints = beginning_.hints;
    hints.reads_integers |= integer && ok && function == "read";
    hints.tokens |= integer && ((acquires && ok) || releases);
    std::vector<std::string>& functions = beginning_.functions;
    if (std::find(functions.begin(), functions.end(), function) ==
        functions.end()) {
      functions.push_back(function);
    }
  }

  EdnBeginning beginning_;
  bool keyed_ = false;  // Some value is a pair of something and nil.
};

// kAuto: none fits.
Form Detect(std::string_view text) {
  // Three characters that are not blank.
  std::string start;
  for (size_t i = 0; i < text.size() && start.size() < 3; ++i) {
    if (!absl::ascii_isspace(static_cast<uint8_t>(text[i]))) start += text[i];
  }
  const std::string first_two = start.substr(0, 2);
  if (first_two == "{\"" || first_two == "{}") return Form::kJsonLines;
  // A JSON array of objects is not supported.
  if (start.empty() || start == "[{\"") return Form::kAuto;
  if (std::string_view("{[(#;").find(start[0]) != std::string_view::npos) {
    const EdnPeek peek(text);
    if (peek.beginning().any_map) {
      return peek.beginning().keys ? Form::kMapLines : Form::kEdn;
    }
  }
  // Broken right at the beginning, or one empty collection: EDN's reader says.
  for (const std::string_view broken : {"{:", "[]", "[{", "()"}) {
    if (first_two == broken) return Form::kEdn;
  }
  return text.find("jepsen.") == std::string_view::npos ? Form::kAuto
                                                        : Form::kJepsenLog;
}

class Opener {
 public:
  Opener(ByteSource* source, const ReadOptions& options)
      : options_(options), window_(source) {}

  absl::StatusOr<Recording> Run();

 private:
  absl::StatusOr<Recording> ReadForm();
  absl::Status FindForm();
  // The functions that the model must have.
  absl::StatusOr<Vocabulary> FindVocabulary();

  const ReadOptions& options_;
  Window window_;
  Form form_ = Form::kAuto;
};

absl::Status Opener::FindForm() {
  absl::Status status = window_.Grow();
  form_ = options_.form;
  while (status.ok() && form_ == Form::kAuto) {
    form_ = Detect(window_.rest());
    if (form_ != Form::kAuto) break;
    if (window_.complete() || window_.rest().size() >= kLookedAtBytesMax) {
      if (window_.rest().find_first_not_of(" \t\r\n") ==
          std::string_view::npos) {
        return BadInput(window_.position(), "the file is empty");
      }
      return BadInput(window_.position(), kNoForm);
    }
    status = window_.Grow();
  }
  return status;
}

absl::StatusOr<Vocabulary> Opener::FindVocabulary() {
  std::string model = options_.model;
  if (model.empty() && form_ == Form::kJepsenLog) model = "cas-register";
  // There a key starts as the empty string.
  if ((model.empty() || model == "kv") && form_ == Form::kMapLines) {
    model = "kv-text";
  }
  if (model.empty()) {
    const EdnPeek peek(window_.rest());
    // The reader says which function the plainest model does not have, and
    // where.
    model = GuessModel(peek.beginning().functions, peek.beginning().hints);
  }
  std::optional<Vocabulary> vocabulary = Vocabulary::Of(model, options_.own);
  if (!vocabulary.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no model is called \"", model, "\""));
  }
  return *std::move(vocabulary);
}

absl::StatusOr<Recording> Opener::Run() {
  absl::Status status = FindForm();
  if (!status.ok()) return status;
  absl::StatusOr<Recording> recording = ReadForm();
  if (!recording.ok() || !options_.initial.has_value()) return recording;
  const std::string& model = recording->model;
  if (FindModelAmong(model, options_.own)->make_from == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("objects of the model ", model,
                     " have no initial value to choose (--initial)"));
  }
  const EdnKind kind = options_.initial->kind;
  if (model == "txn" && (kind == EdnKind::kVector || kind == EdnKind::kList)) {
    return absl::FailedPreconditionError(
        "a key of transactions cannot start as a vector (--initial)");
  }
  recording->initial = options_.initial->datum.ToString();
  return recording;
}

absl::StatusOr<Recording> Opener::ReadForm() {
  if (form_ == Form::kJsonLines) {
    return ReadJsonLines(&window_, options_.model, options_.own);
  }
  absl::StatusOr<Vocabulary> vocabulary = FindVocabulary();
  if (!vocabulary.ok()) return std::move(vocabulary).status();
  JepsenReader* const read = form_ == Form::kJepsenLog  ? ReadJepsenLog
                             : form_ == Form::kMapLines ? ReadMapLines
                                                        : ReadJepsenEdn;
  const EdnKind initial =
      options_.initial.has_value() ? options_.initial->kind : EdnKind::kNil;
  absl::StatusOr<Recording> recording =
      read(&window_, *vocabulary, options_.jepsen, initial);
  if (recording.ok()) recording->model = vocabulary->model();
  return recording;
}

}  // namespace

absl::StatusOr<Recording> ReadHistory(ByteSource* source,
                                      const ReadOptions& options) {
  return Opener(source, options).Run();
}

}  // namespace quorate::lincheck
