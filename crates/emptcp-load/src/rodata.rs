//! Fills an object's `.rodata` by name: BTF has the offset of each member of each constant.

use crate::ffi::object;
use libbpf_rs::{
    OpenObject,
    btf::{
        BtfKind, BtfType, HasSize,
        types::{Array, DataSec, MemberAttr, Struct, Var},
    },
};

/// The largest number that n bytes hold.
pub fn largest(bytes: usize) -> u64 {
    match bytes {
        0..8 => (1 << (8 * bytes)) - 1,
        _ => u64::MAX,
    }
}

/// A constant's member and its offset in `.rodata`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Offset from the start of `.rodata`, bytes.
    pub offset: usize,
    /// Size, bytes.
    pub size: usize,
    /// The kind of its type.
    pub shape: Shape,
}

/// Kinds of types.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// One number.
    Number,
    /// An array.
    Array,
    /// A structure or union.
    Structure,
}

impl Member {
    /// The name in messages.
    pub fn describe(&self) -> String {
        let what = match self.shape {
            Shape::Number => "a number",
            Shape::Array => "an array",
            Shape::Structure => "a structure",
        };
        format!("{what} that has {} bytes", self.size)
    }
}

/// A structure in `.rodata`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Constant {
    /// Name of the variable.
    pub name: String,
    /// Its members.
    pub members: Vec<Member>,
}

/// The structures in an object's `.rodata`.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    constants: Vec<Constant>,
}

fn size_of_type(ty: BtfType<'_>) -> usize {
    let ty = ty.skip_mods_and_typedefs();
    match ty.kind() {
        BtfKind::Array => {
            Array::try_from(ty).map_or(0, |array| array.capacity() * size_of_type(array.contained_type()))
        }
        _ => libbpf_rs::btf_type_match!(match ty {
            BtfKind::Struct(t) => t.size(),
            BtfKind::Union(t) => t.size(),
            BtfKind::Int(t) => usize::from(t.bits).div_ceil(8),
            BtfKind::Enum(t) => t.size(),
            BtfKind::Enum64(t) => t.size(),
            _ => 0,
        }),
    }
}

fn shape(ty: BtfType<'_>) -> Shape {
    match ty.skip_mods_and_typedefs().kind() {
        BtfKind::Array => Shape::Array,
        BtfKind::Struct | BtfKind::Union => Shape::Structure,
        _ => Shape::Number,
    }
}

impl Layout {
    /// Reads the layout of an open object.
    ///
    /// # Errors
    /// When libbpf cannot read the object's BTF. An object without `.rodata` has an empty layout.
    pub fn read(object: &OpenObject) -> libbpf_rs::Result<Self> {
        let Some(btf) = object::btf(object)? else {
            return Ok(Self::default());
        };
        let Some(section) = btf.type_by_name::<DataSec<'_>>(".rodata") else {
            return Ok(Self::default());
        };
        let mut constants = Vec::new();
        for variable in section.iter() {
            let Some(var) = btf.type_by_id::<Var<'_>>(variable.ty) else {
                continue;
            };
            let Some(name) = var.name() else { continue };
            let Some(ty) = var.next_type() else { continue };
            let Ok(structure) = Struct::try_from(ty.skip_mods_and_typedefs()) else {
                continue;
            };
            let members = structure
                .iter()
                .filter_map(|member| {
                    let MemberAttr::Normal { offset } = member.attr else {
                        return None;
                    };
                    Some(Member {
                        name: member.name?.to_string_lossy().into_owned(),
                        offset: variable.offset as usize + offset as usize / 8,
                        size: size_of_type(btf.type_by_id(member.ty)?),
                        shape: shape(btf.type_by_id(member.ty)?),
                    })
                })
                .collect();
            constants.push(Constant {
                name: name.to_string_lossy().into_owned(),
                members,
            });
        }
        Ok(Self { constants })
    }

    /// A structure by its variable's name.
    pub fn constant(&self, name: &str) -> Option<&Constant> {
        self.constants.iter().find(|constant| constant.name == name)
    }
}

impl Constant {
    /// A member by name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }
}

/// The number that a member holds before it is filled in.
pub fn read(object: &OpenObject, member: &Member) -> Option<u64> {
    let map = object
        .maps()
        .find(|map| map.name().to_string_lossy().ends_with(".rodata"))?;
    let bytes = map.initial_value()?.get(member.offset..member.offset + member.size)?;
    match *bytes {
        [a, b, c, d] => Some(u32::from_ne_bytes([a, b, c, d]).into()),
        _ => bytes.try_into().ok().map(u64::from_ne_bytes),
    }
}

/// Changes `.rodata` of an open object.
///
/// # Errors
/// When the object has no `.rodata` that could be changed.
pub fn write(object: &mut OpenObject, pieces: &[(usize, Vec<u8>)]) -> Result<(), &'static str> {
    if pieces.is_empty() {
        return Ok(());
    }
    let mut map = object
        .maps_mut()
        .find(|map| map.name().to_string_lossy().ends_with(".rodata"))
        .ok_or("the object has no .rodata section")?;
    let data = map.initial_value_mut().ok_or("the .rodata section is empty")?;
    for (offset, bytes) in pieces {
        data.get_mut(*offset..*offset + bytes.len())
            .ok_or("a constant lies outside of the .rodata section")?
            .copy_from_slice(bytes);
    }
    Ok(())
}
