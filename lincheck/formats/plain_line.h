// lincheck/formats/plain_line.h: a line of a log as a terminal shows it.
//
// Logs may have been written for a terminal, or copied from one. The plain line
// lacks the escapes of colours and has tabs in place of the two characters
// "\t". Knows nothing of entries.
#ifndef QUORATE_LINCHECK_FORMATS_PLAIN_LINE_H_
#define QUORATE_LINCHECK_FORMATS_PLAIN_LINE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::lincheck {

class PlainLine {
 public:
  // Text in quotes stays as it is. Quotes count from the byte `values` of the
  // line on.
  void Read(std::string_view line, size_t values);
  // Valid until the next Read.
  std::string_view text() const { return text_; }
  // Where a byte of the text stands in the line.
  size_t OffsetInLine(size_t offset) const;

 private:
  struct Cut {
    size_t offset = 0;  // The first byte of the text behind the cut.
    size_t bytes = 0;   // Size of this cut and all cuts before it.
  };

  void Skip(size_t bytes);

  std::string text_;
  std::vector<Cut> cuts_;  // By offset.
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_PLAIN_LINE_H_
