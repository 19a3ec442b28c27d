// Put before every source of the tsan preset. Under __SANITIZE_THREAD__ protobuf's map_field.h adds
// members to MapField, which Debian's libprotobuf and our uninstrumented generated code do not
// have. The macro stays defined for everything else: libstdc++'s shared_ptr asks for it.
#pragma once

#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
