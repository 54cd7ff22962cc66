// lincheck/page/page_assets.h: the parts of the page that are the same for
// every history: page.html, page.css and page.js, put into the program by the
// build.
#ifndef QUORATE_LINCHECK_PAGE_PAGE_ASSETS_H_
#define QUORATE_LINCHECK_PAGE_PAGE_ASSETS_H_

#include <string_view>

namespace quorate::lincheck {

extern const std::string_view kPageHtml;
extern const std::string_view kPageCss;
extern const std::string_view kPageJs;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_PAGE_PAGE_ASSETS_H_
