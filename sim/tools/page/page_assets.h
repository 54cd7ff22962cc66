// sim/tools/page/page_assets.h: the parts of the page of a run, as constants
// that the build makes of files.
#ifndef QUORATE_SIM_TOOLS_PAGE_PAGE_ASSETS_H_
#define QUORATE_SIM_TOOLS_PAGE_PAGE_ASSETS_H_

#include <string_view>

namespace quorate::sim {

extern const std::string_view kPageCss;
extern const std::string_view kPageHtml;
extern const std::string_view kPageJs;

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_PAGE_PAGE_ASSETS_H_
