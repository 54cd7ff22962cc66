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

// Makes the window show enough to tell the form.
absl::StatusOr<Form> FindForm(Form form, Window* window) {
  absl::Status status = window->Grow();
  while (status.ok() && form == Form::kAuto) {
    form = Detect(window->rest());
    if (form != Form::kAuto) break;
    if (window->complete() || window->rest().size() >= kLookedAtBytesMax) {
      const bool empty =
          window->rest().find_first_not_of(" \t\r\n") == std::string_view::npos;
      return BadInput(window->position(),
                      empty ? "the file is empty" : kNoForm);
    }
    status = window->Grow();
  }
  if (!status.ok()) return status;
  return form;
}

// The functions that the model of a file of Jepsen must have.
absl::StatusOr<Vocabulary> FindVocabulary(const ReadOptions& options, Form form,
                                          std::string_view beginning) {
  std::string model = options.model;
  if (model.empty() && form == Form::kJepsenLog) model = "cas-register";
  // There a key starts as the empty string.
  if ((model.empty() || model == "kv") && form == Form::kMapLines) {
    model = "kv-text";
  }
  if (model.empty()) {
    const EdnPeek peek(beginning);
    // The reader says which function the plainest model does not have, and
    // where.
    model = GuessModel(peek.beginning().functions, peek.beginning().hints);
  }
  std::optional<Vocabulary> vocabulary = Vocabulary::Of(model, options.own);
  if (!vocabulary.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no model is called \"", model, "\""));
  }
  return *std::move(vocabulary);
}

absl::StatusOr<Recording> ReadForm(const ReadOptions& options, Window* window) {
  const absl::StatusOr<Form> form = FindForm(options.form, window);
  if (!form.ok()) return form.status();
  if (*form == Form::kJsonLines) {
    return ReadJsonLines(window, options.model, options.own);
  }
  const absl::StatusOr<Vocabulary> vocabulary =
      FindVocabulary(options, *form, window->rest());
  if (!vocabulary.ok()) return vocabulary.status();
  JepsenCalls::Options calls{.jepsen = options.jepsen,
                             .map_lines = *form == Form::kMapLines};
  if (options.initial.has_value()) calls.initial = options.initial->kind;
  JepsenReader* const read =
      *form == Form::kJepsenLog ? ReadJepsenLog : ReadJepsenEdn;
  absl::StatusOr<Recording> recording = read(window, *vocabulary, calls);
  if (!recording.ok()) return recording;
  recording->model = vocabulary->model();
  recording->form = kForms[static_cast<size_t>(*form)];
  return recording;
}

}  // namespace

absl::StatusOr<Recording> ReadHistory(ByteSource* source,
                                      const ReadOptions& options) {
  Window window(source);
  absl::StatusOr<Recording> recording = ReadForm(options, &window);
  if (!recording.ok() || !options.initial.has_value()) return recording;
  const std::string& model = recording->model;
  if (FindModelAmong(model, options.own)->make_from == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("objects of the model ", model,
                     " have no initial value to choose (--initial)"));
  }
  const EdnKind kind = options.initial->kind;
  if (model == "txn" && (kind == EdnKind::kVector || kind == EdnKind::kList)) {
    return absl::FailedPreconditionError(
        "a key of transactions cannot start as a vector (--initial)");
  }
  recording->initial = options.initial->datum.ToString();
  return recording;
}

}  // namespace quorate::lincheck
