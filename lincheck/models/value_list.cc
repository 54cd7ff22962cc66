#include "lincheck/models/value_list.h"

#include <cstdint>

namespace quorate::lincheck {
namespace {

// Arrays in each other.
constexpr int kDepthMax = 200;

bool ReadItem(JsonCursor* cursor, Datum* item) {
  const char next = cursor->Peek();
  const size_t at = cursor->offset();
  std::string_view text;
  int64_t number = 0;
  if (next == '"') {
    if (!cursor->ReadString(&text)) return false;
    item->Append(text);
  } else if (next == '-' || (next >= '0' && next <= '9')) {
    if (!cursor->ReadInteger(&number)) return false;
    if (!Value::Holds(number)) {
      return cursor->Fail(at, "too large an integer in a list");
    }
    item->AssignInteger(number);
  } else if (!cursor->ReadWord(&text)) {
    return false;
  } else if (text != "null") {
    return cursor->Fail(at, "a list is of null, integers and strings");
  }
  return true;
}

bool ReadItems(JsonCursor* cursor, int depth, std::vector<Datum>* items) {
  if (depth > kDepthMax) {
    return cursor->Fail(cursor->offset(), "too many arrays in each other");
  }
  if (!cursor->Expect('[')) return false;
  if (cursor->Take(']')) return true;
  do {
    const bool good = cursor->Peek() == '['
                          ? ReadItems(cursor, depth + 1, items)
                          : ReadItem(cursor, &items->emplace_back());
    if (!good) return false;
  } while (cursor->Take(','));
  return cursor->Expect(']');
}

}  // namespace

std::string FormatList(absl::Span<const Datum> items) {
  std::string text = "[";
  for (const Datum& item : items) {
    if (text.size() > 1) text.push_back(',');
    if (item.is_nil()) {
      text.append("null");
    } else if (item.is_integer()) {
      text.append(std::to_string(item.integer()));
    } else {
      AppendJsonString(item.bytes(), &text, /*any_bytes=*/true);
    }
  }
  text.push_back(']');
  return text;
}

bool ReadList(JsonCursor* cursor, std::vector<Datum>* items) {
  items->clear();
  return ReadItems(cursor, 0, items);
}

bool ParseList(std::string_view text, std::vector<Datum>* items) {
  JsonCursor cursor(text, /*any_bytes=*/true);
  return ReadList(&cursor, items) && cursor.AtEnd();
}

}  // namespace quorate::lincheck
