#include "lincheck/formats/edn_lists.h"

#include <string_view>
#include <vector>

#include "lincheck/models/value_list.h"

namespace quorate::lincheck {
namespace {

bool IsSequence(const EdnNode& node) {
  return node.kind == EdnKind::kVector || node.kind == EdnKind::kList;
}

// "r", "w" or "append"; empty if `node` names nothing that transactions do.
std::string_view MicroOperation(const EdnParser& edn, uint32_t node) {
  if (edn.IsKeyword(node, "r") || edn.IsKeyword(node, "read")) return "r";
  if (edn.IsKeyword(node, "w") || edn.IsKeyword(node, "write")) return "w";
  return edn.IsKeyword(node, "append") ? "append" : "";
}

// "1 2 ": what appending one after the other leaves.
Datum Appended(const EdnParser& edn, uint32_t sequence) {
  Datum all;
  const uint32_t end = edn.node(sequence).end;
  for (uint32_t child = sequence + 1; child < end;
       child = edn.node(child).end) {
    all.Append(edn.Print(child) + " ");
  }
  return all;
}

}  // namespace

Datum DatumOf(const EdnParser& edn, uint32_t node) {
  Datum datum;
  const EdnNode& form = edn.node(node);
  if (form.kind == EdnKind::kNil) return datum;
  if (form.kind == EdnKind::kInteger && form.integer >= Value::kIntegerMin &&
      form.integer <= Value::kIntegerMax) {
    datum.AssignInteger(form.integer);
  } else if (form.kind == EdnKind::kBoolean) {
    datum.AssignInteger(form.integer);
  } else if (form.kind == EdnKind::kString) {
    std::string scratch;
    datum.Append(edn.String(form, &scratch));
  } else {
    datum.Append(edn.Print(node));
  }
  return datum;
}

std::optional<InitialValue> ParseInitial(std::string_view text) {
  if (text == "null") return InitialValue();
  EdnParser edn;
  if (edn.Parse(text, /*complete=*/true) != EdnParser::Outcome::kForm ||
      edn.used() + CountEdnBlanks(text.substr(edn.used())) != text.size()) {
    return std::nullopt;
  }
  return InitialValue{DatumOf(edn, 0), edn.node(0).kind};
}

bool ListOf(const EdnParser& edn, uint32_t node, std::string* list) {
  if (!IsSequence(edn.node(node)) && edn.node(node).kind != EdnKind::kSet) {
    return false;
  }
  std::vector<Datum> items;
  for (uint32_t child = node + 1; child < edn.node(node).end;
       child = edn.node(child).end) {
    items.push_back(DatumOf(edn, child));
  }
  *list = FormatList(items);
  return true;
}

bool TriplesOf(const EdnParser& edn, uint32_t node, std::string* list,
               std::string* error) {
  constexpr std::string_view kShape =
      "a transaction is a vector of [:r key value], [:w key value] and "
      "[:append key value]";
  *error = kShape;
  if (!IsSequence(edn.node(node))) return false;
  std::vector<Datum> items;
  for (uint32_t micro = node + 1; micro < edn.node(node).end;
       micro = edn.node(micro).end) {
    if (!IsSequence(edn.node(micro)) || edn.node(micro).children != 3) {
      return false;
    }
    const uint32_t what = micro + 1;
    const uint32_t key = edn.node(what).end;
    const uint32_t value = edn.node(key).end;
    const std::string_view name = MicroOperation(edn, what);
    if (name.empty()) return false;
    items.emplace_back().Append(name);
    items.push_back(DatumOf(edn, key));
    if (name == "append") {
      items.emplace_back().Append(edn.Print(value) + " ");
    } else if (IsSequence(edn.node(value))) {
      items.push_back(Appended(edn, value));
    } else {
      items.push_back(DatumOf(edn, value));
    }
  }
  error->clear();
  *list = FormatList(items);
  return true;
}

}  // namespace quorate::lincheck
