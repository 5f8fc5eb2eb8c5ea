//! What a case needs of a service, and the refusal that is tested where the service lacks it.

use super::KmsCtx;
use crate::outcome::CaseResult;

/// A capability that a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    AssociatedData,
    Rotation,
    Deletion,
}

/// Tests the refusal of the first need that the service declares it lacks, and says so.
pub(crate) async fn test_refusal(ctx: &KmsCtx, needs: &[Need]) -> CaseResult<Option<String>> {
    let capabilities = ctx.service().capabilities();
    let lacks = |need: &&Need| match need {
        Need::AssociatedData => !capabilities.associated_data,
        Need::Rotation => !capabilities.rotation,
        Need::Deletion => !capabilities.deletion,
    };
    let Some(need) = needs.iter().find(lacks) else {
        return Ok(None);
    };
    let what = "a capability that is declared as missing";
    match need {
        Need::AssociatedData => return Ok(Some("not claimed: associated data".into())),
        Need::Rotation => {
            let (tenant, _) = ctx.used().await?;
            ctx.denied(what, ctx.service().rotate_kek(&tenant).await)?;
        }
        Need::Deletion => {
            let (tenant, context) = ctx.used().await?;
            ctx.denied(what, ctx.service().delete_kek(&tenant).await)?;
            ctx.generate(&context).await?;
        }
    }
    Ok(Some(format!("refused as declared: {need:?}")))
}

/// The table of one group: `cases! { "group": name [Needed] flag flag; … }`, where each name is an
/// `async fn(KmsCtx) -> CaseResult` and each flag a method of [`Case`](crate::keys::Case).
macro_rules! cases {
    ($group:literal: $($name:ident [$($need:ident),*] $($flag:ident)*;)+) => {
        &[$(
            $crate::keys::Case::new($group, stringify!($name), |ctx| Box::pin(async move {
                let needs = &[$($crate::keys::kms::needs::Need::$need),*];
                match $crate::keys::kms::needs::test_refusal(&ctx, needs).await? {
                    Some(remark) => Ok(Some(remark)),
                    None => $name(ctx).await.map(|()| None),
                }
            }))$(.$flag())*
        ),+]
    };
}
pub(crate) use cases;
