// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What makes Python of native types and constants: SSLContext as a class that can be
// subclassed, and modules that programs can add to and patch, as the Python ones that
// MicroPython has for them.
//
// A Python subclass of a native type keeps what is stored in its instances to itself: the
// native part never hears of it. So native types of contexts are not exported. A class is,
// whose attributes are descriptors that find the native part, which subclasses inherit.

#include "glue.h"

#include "py/objmodule.h"
#include "py/objtype.h"

#if !MICROPY_PY_DESCRIPTORS || !MICROPY_MODULE_BUILTIN_INIT
#error "micropython-ssl needs MICROPY_PY_DESCRIPTORS and MICROPY_MODULE_BUILTIN_INIT (extra features)"
#endif

enum { // indices of mpssl_classes
    CLASS_TLS,
    CLASS_SSL, // and ussl's
};

/******************************************************************************/
// What a class has.

// In a class, C's functions are MicroPython's static methods; what they are wrapped in here
// gets the instance.
static mp_obj_t method_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    const mpssl_method_t *self = MP_OBJ_TO_PTR(self_in);
    return mp_call_function_n_kw(MP_OBJ_FROM_PTR(self->fun), n_args, n_kw, args);
}

MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_method_type,
    MP_QSTR_function,
    MP_TYPE_FLAG_BINDS_SELF,
    call, method_call);

static mp_obj_t attribute_get(mp_obj_t self_in, mp_obj_t instance, mp_obj_t owner) {
    (void)owner;
    const mpssl_attribute_t *self = MP_OBJ_TO_PTR(self_in);
    return mpssl_context_load_attr(instance, self->name);
}
static MP_DEFINE_CONST_FUN_OBJ_3(attribute_get_obj, attribute_get);

static mp_obj_t attribute_set(mp_obj_t self_in, mp_obj_t instance, mp_obj_t value) {
    const mpssl_attribute_t *self = MP_OBJ_TO_PTR(self_in);
    mpssl_context_store_attr(instance, self->name, value);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(attribute_set_obj, attribute_set);

static const mp_rom_map_elem_t attribute_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR___get__), MP_ROM_PTR(&attribute_get_obj) },
    { MP_ROM_QSTR(MP_QSTR___set__), MP_ROM_PTR(&attribute_set_obj) },
};
static MP_DEFINE_CONST_DICT(attribute_locals_dict, attribute_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_attribute_type,
    MP_QSTR_property,
    MP_TYPE_FLAG_NONE,
    locals_dict, &attribute_locals_dict);

// Upstream's ssl.SSLContext has a tls.SSLContext of this name.
static const mpssl_attribute_t context_obj = { { &mpssl_attribute_type }, MP_QSTR__context };

#if MICROPY_PY_DELATTR_SETATTR
// Stores or deletes what is no attribute of the class. Upstream's tls.SSLContext takes none.
static void set_own(mp_obj_t self_in, mp_obj_t name, mp_obj_t value) {
    mp_obj_t type = MP_OBJ_FROM_PTR(mp_obj_get_type(self_in));
    if (!mp_obj_is_subclass_fast(type, MP_STATE_VM(mpssl_classes)[CLASS_TLS])) {
        mp_raise_TypeError(NULL);
    }
    mp_map_elem_t *elem = NULL;
    if (type != MP_STATE_VM(mpssl_classes)[CLASS_TLS]) {
        mp_map_t *members = &((mp_obj_instance_t *)MP_OBJ_TO_PTR(self_in))->members;
        elem = mp_map_lookup(members, name, value == MP_OBJ_NULL ? MP_MAP_LOOKUP_REMOVE_IF_FOUND : MP_MAP_LOOKUP_ADD_IF_NOT_FOUND);
    }
    if (elem == NULL) {
        mp_raise_msg_varg(&mp_type_AttributeError, MP_ERROR_TEXT("no attribute '%q'"), mp_obj_str_get_qstr(name));
    }
    elem->value = value;
}

static mp_obj_t tls_setattr(mp_obj_t self_in, mp_obj_t name, mp_obj_t value) {
    set_own(self_in, name, value);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(tls_setattr_obj, tls_setattr);
static const mpssl_method_t tls_setattr_method = { { &mpssl_method_type }, MP_ROM_PTR(&tls_setattr_obj) };

static mp_obj_t tls_delattr(mp_obj_t self_in, mp_obj_t name) {
    set_own(self_in, name, MP_OBJ_NULL);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(tls_delattr_obj, tls_delattr);
static const mpssl_method_t tls_delattr_method = { { &mpssl_method_type }, MP_ROM_PTR(&tls_delattr_obj) };
#endif

// type(name, (base,), members): what makes a class is MicroPython's own secret from 1.27 on.
static mp_obj_t new_class(qstr name, mp_obj_t base, mp_obj_t members) {
    mp_obj_t args[3] = { MP_OBJ_NEW_QSTR(name), mp_obj_new_tuple(1, &base), members };
    return mp_call_function_n_kw(MP_OBJ_FROM_PTR(&mp_type_type), 3, 0, args);
}

// Two classes: one with what is in flash, and below it the one that programs see, which has
// room for what they change in it.
static mp_obj_t make_class(const mp_obj_type_t *native) {
    mp_obj_t base = new_class(native->name, MP_OBJ_FROM_PTR(native), MP_OBJ_FROM_PTR(&mpssl_context_locals_dict));
    mp_obj_t own = mp_obj_new_dict(2);
    if (native == &mpssl_ssl_context_type) {
        mp_obj_dict_store(own, MP_OBJ_NEW_QSTR(MP_QSTR__context), MP_OBJ_FROM_PTR(&context_obj));
    } else {
#if MICROPY_PY_DELATTR_SETATTR
        mp_obj_dict_store(own, MP_OBJ_NEW_QSTR(MP_QSTR___setattr__), MP_OBJ_FROM_PTR(&tls_setattr_method));
        mp_obj_dict_store(own, MP_OBJ_NEW_QSTR(MP_QSTR___delattr__), MP_OBJ_FROM_PTR(&tls_delattr_method));
#endif
    }
    return new_class(native->name, base, own);
}

mp_obj_t mpssl_ssl_context_class(void) {
    return MP_STATE_VM(mpssl_classes)[CLASS_SSL];
}

/******************************************************************************/
// Modules.

// What is in the modules in this life, from one soft reset to the next: an import is the first
// in its life if sys.modules, which MicroPython empties, does not have the module.
MP_REGISTER_ROOT_POINTER(mp_obj_dict_t mpssl_globals[3]);
MP_REGISTER_ROOT_POINTER(mp_obj_t mpssl_classes[2]); // SSLContext
MP_REGISTER_ROOT_POINTER(mp_obj_t mpssl_key_providers); // ssl's, a dict

#define MODULE(i) \
    { \
        .base = { &mpssl_module_type }, \
        .globals = (mp_obj_dict_t *)&MP_STATE_VM(mpssl_globals)[i], \
    }

static mp_obj_t module_init(mp_obj_t self_in);
static MP_DEFINE_CONST_FUN_OBJ_1(module_init_obj, module_init);

static void module_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    mp_obj_module_t *self = MP_OBJ_TO_PTR(self_in);
    if (dest[0] == MP_OBJ_NULL) {
        if (attr == MP_QSTR___init__) { // before anything is looked up in what may be of another life
            dest[0] = MP_OBJ_FROM_PTR(&module_init_obj);
            dest[1] = self_in;
            return;
        }
        mp_map_elem_t *elem = mp_map_lookup(&self->globals->map, MP_OBJ_NEW_QSTR(attr), MP_MAP_LOOKUP);
        if (elem != NULL) {
            dest[0] = elem->value;
        } else if (attr == MP_QSTR___dict__) {
            dest[0] = MP_OBJ_FROM_PTR(self->globals);
        }
        return;
    }
    if (dest[1] == MP_OBJ_NULL) {
        mp_obj_dict_delete(MP_OBJ_FROM_PTR(self->globals), MP_OBJ_NEW_QSTR(attr));
    } else {
        mp_obj_dict_store(MP_OBJ_FROM_PTR(self->globals), MP_OBJ_NEW_QSTR(attr), dest[1]);
    }
    dest[0] = MP_OBJ_NULL;
}

static void module_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    mp_obj_t dest[2];
    mp_load_method(self_in, MP_QSTR___name__, dest);
    mp_printf(print, "<module '%s'>", mp_obj_str_get_str(dest[0]));
}

static MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_module_type,
    MP_QSTR_module,
    MP_TYPE_FLAG_NONE,
    print, module_print,
    attr, module_attr,
    parent, &mp_type_module);

// tls under the stock module's name: its registration in extmod, which is still scanned, and
// this one are then the same.
const mp_obj_module_t mp_module_tls = MODULE(0);
const mp_obj_module_t mpssl_module_ssl = MODULE(1);
const mp_obj_module_t mpssl_module_ussl = MODULE(2);

MP_REGISTER_MODULE(MP_QSTR_tls, mp_module_tls);
MP_REGISTER_MODULE(MP_QSTR_ssl, mpssl_module_ssl);
MP_REGISTER_MODULE(MP_QSTR_ussl, mpssl_module_ussl);

static bool is_loaded(const mp_obj_module_t *module, qstr name) {
    mp_map_elem_t *elem = mp_map_lookup(&MP_STATE_VM(mp_loaded_modules_dict).map, MP_OBJ_NEW_QSTR(name), MP_MAP_LOOKUP);
    return elem != NULL && elem->value == MP_OBJ_FROM_PTR(module);
}

// ssl or ussl.
static bool is_ssl_loaded(void) {
    return is_loaded(&mpssl_module_ssl, MP_QSTR_ssl) || is_loaded(&mpssl_module_ussl, MP_QSTR_ussl);
}

mp_obj_t mpssl_key_provider(mp_obj_t name) {
    if (!is_ssl_loaded()) {
        return MP_OBJ_NULL; // what is there may be of another life
    }
    mp_map_elem_t *elem = mp_map_lookup(mp_obj_dict_get_map(MP_STATE_VM(mpssl_key_providers)), name, MP_MAP_LOOKUP);
    return elem == NULL ? MP_OBJ_NULL : elem->value;
}

// Called by an import that does not find the module in sys.modules.
static mp_obj_t module_init(mp_obj_t self_in) {
    const mp_obj_module_t *self = MP_OBJ_TO_PTR(self_in);
    bool is_tls = self == &mp_module_tls;
    bool is_ussl = self == &mpssl_module_ussl;
    qstr name = is_tls ? MP_QSTR_tls : is_ussl ? MP_QSTR_ussl
                                               : MP_QSTR_ssl;
    if (is_loaded(self, name)) {
        return mp_const_none; // where sys.path is empty, an import does not look
    }
    mp_obj_t *class = &MP_STATE_VM(mpssl_classes)[is_tls ? CLASS_TLS : CLASS_SSL];
    bool is_first = !is_ssl_loaded();
    if (!is_tls && is_first) {
        MP_STATE_VM(mpssl_key_providers) = mp_obj_new_dict(0);
    }
    if (is_tls || is_first) {
        *class = make_class(is_tls ? &mpssl_tls_context_type : &mpssl_ssl_context_type);
    }
    const mp_map_t *names = is_tls ? &mpssl_tls_names.map : &mpssl_ssl_names.map;
    mp_obj_t globals = MP_OBJ_FROM_PTR(self->globals);
    mp_obj_dict_init(self->globals, names->alloc + 3);
    for (size_t i = 0; i < names->alloc; ++i) {
        mp_obj_dict_store(globals, names->table[i].key, names->table[i].value);
    }
    mp_obj_dict_store(globals, MP_OBJ_NEW_QSTR(MP_QSTR___name__), MP_OBJ_NEW_QSTR(name));
    mp_obj_dict_store(globals, MP_OBJ_NEW_QSTR(MP_QSTR_SSLContext), *class);
    if (!is_tls) {
        mp_obj_dict_store(globals, MP_OBJ_NEW_QSTR(MP_QSTR_key_providers), MP_STATE_VM(mpssl_key_providers));
    }
    if (is_ussl) {
        mp_obj_dict_store(globals, MP_OBJ_NEW_QSTR(MP_QSTR_wrap_socket), MP_OBJ_FROM_PTR(&mpssl_ussl_wrap_socket_obj));
    }
    mp_obj_dict_store(MP_OBJ_FROM_PTR(&MP_STATE_VM(mp_loaded_modules_dict)), MP_OBJ_NEW_QSTR(name), self_in);
    return mp_const_none;
}
