#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/keys_moved/ways.h"

namespace quorate::bench {
namespace {

constexpr int kBarPitch = 24;
constexpr int kPanelHead = 28;
constexpr int kPanelGap = 14;
constexpr int kTop = 56;
// The left ends of both columns, and the lengths of their longest bars.
constexpr int kMovedX = 190;
constexpr int kMovedWidth = 330;
constexpr int kImbalanceX = 620;
constexpr int kImbalanceWidth = 240;
// The right end of the column of imbalance.
constexpr double kImbalanceMax = 1.4;

void AppendText(std::string* svg, double x, double y, std::string_view style,
                std::string_view text) {
  absl::StrAppendFormat(svg, "<text x=\"%.0f\" y=\"%.0f\" %s>%s</text>\n", x, y,
                        style, text);
}

void AppendBar(std::string* svg, double x, double y, double width,
               std::string_view colours, std::string_view label) {
  absl::StrAppendFormat(svg,
                        "<rect x=\"%.0f\" y=\"%.0f\" width=\"%.1f\" "
                        "height=\"16\" %s/>\n",
                        x, y, width, colours);
  AppendText(svg, x + width + 6, y + 13, "font-size=\"12\" fill=\"#444\"",
             label);
}

void AppendRow(std::string* svg, const KeysMovedRow& row, double y) {
  const bool own = row.name.ends_with("planner");
  const std::string_view colours =
      own ? "fill=\"#2b4c7e\"" : "fill=\"#f4f7fb\" stroke=\"#2b4c7e\"";
  AppendText(svg, kMovedX - 10, y + 13,
             own ? "text-anchor=\"end\" font-size=\"12.5\" font-weight=\"bold\""
                 : "text-anchor=\"end\" font-size=\"12.5\"",
             row.name);
  AppendBar(svg, kMovedX, y, kMovedWidth * row.mean.moved, colours,
            absl::StrFormat("%.1f %%", 100 * row.mean.moved));
  const double excess = std::min(row.mean.imbalance_after, kImbalanceMax) - 1.0;
  AppendBar(svg, kImbalanceX, y,
            kImbalanceWidth * excess / (kImbalanceMax - 1.0), colours,
            absl::StrFormat("%.3f", row.mean.imbalance_after));
}

// The line of the least possible share, through the bars of one panel.
void AppendLeast(std::string* svg, uint32_t groups, double y, double height) {
  const double x = kMovedX + kMovedWidth * LeastMoved(groups);
  absl::StrAppendFormat(svg,
                        "<path d=\"M%.1f,%.0f V%.0f\" stroke=\"#b67a1e\" "
                        "stroke-width=\"1.6\" stroke-dasharray=\"5 4\"/>\n",
                        x, y - 4, y + height);
}

}  // namespace

std::string KeysMovedPicture(const std::vector<KeysMovedRow>& rows) {
  std::string body;
  AppendText(&body, kMovedX, 30, "font-weight=\"bold\"",
             "keys moved (dashed: the least if even)");
  AppendText(&body, kImbalanceX, 30, "font-weight=\"bold\"",
             "fullest group / mean, afterwards (from 1)");
  double y = kTop;
  for (size_t i = 0; i < rows.size();) {
    const uint32_t groups = rows[i].groups;
    AppendText(&body, 20, y + 14, "font-weight=\"bold\" fill=\"#2b4c7e\"",
               absl::StrCat(groups, " → ", groups + 1, " groups"));
    y += kPanelHead;
    const double first = y;
    for (; i < rows.size() && rows[i].groups == groups; ++i) {
      AppendRow(&body, rows[i], y);
      y += kBarPitch;
    }
    AppendLeast(&body, groups, first, y - first - 4);
    y += kPanelGap;
  }
  return absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 %.0f\" "
      "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"14\">\n"
      "<rect width=\"960\" height=\"%.0f\" fill=\"#fff\"/>\n%s</svg>\n",
      y, y, body);
}

}  // namespace quorate::bench
