// lincheck/models/value_list.h: lists as values.
//
// A list is a string: a JSON array of strings, integers and null, without
// spaces, as FormatList writes it. Where a model compares lists, equal lists
// are equal strings.
#ifndef QUORATE_LINCHECK_MODELS_VALUE_LIST_H_
#define QUORATE_LINCHECK_MODELS_VALUE_LIST_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/models/datum.h"
#include "lincheck/text/json.h"

namespace quorate::lincheck {

// ["x",7,null]. Control characters, quotes and backslashes are escaped; all
// other bytes stand for themselves.
std::string FormatList(absl::Span<const Datum> items);

// Reads such a text, spaces allowed. Lists within the list are flattened, so
// that [["r","x",null],["w","y",3]] reads like ["r","x",null,"w","y",3]. False
// if it is not a list.
bool ParseList(std::string_view text, std::vector<Datum>* items);

// The same from a cursor, with its error.
bool ReadList(JsonCursor* cursor, std::vector<Datum>* items);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_VALUE_LIST_H_
